"""What NVIDIA's compiler makes of the kernels, found out without a GPU."""
