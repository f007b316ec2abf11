// kernels for avx2
