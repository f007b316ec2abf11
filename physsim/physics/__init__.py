"""Host tables and formulas of X-ray physics: values in, values out."""
