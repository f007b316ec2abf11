// kernels for baseline
