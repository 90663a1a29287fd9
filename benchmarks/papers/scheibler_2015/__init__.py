CLAIM = "Exact sparse Hadamard transforms: success against groups and load, time against the dense one"
NOT_SHOWN = "two offsets a bin verify beside the n - b + 1 of the paper"
