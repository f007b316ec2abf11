"""cpu and cuda: loads kernels, hands arrays over."""
