"""How good an image, a dose or a code is: comparisons with published data."""
