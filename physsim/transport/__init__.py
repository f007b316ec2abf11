"""Ray tracing and its adjoint; Monte Carlo later."""
