CLAIM = "Sparse Walsh-Hadamard transforms from few values in noise, and where they fail"
NOT_SHOWN = "sample-optimal offsets are not built"
