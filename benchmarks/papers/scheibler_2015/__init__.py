CLAIM = "Exact sparse Hadamard transforms: success against groups and load, time against the dense one"
NOT_SHOWN = "n + 1 offsets a bin where the paper reads n - b + 1"
