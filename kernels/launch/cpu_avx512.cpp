// kernels for avx512
