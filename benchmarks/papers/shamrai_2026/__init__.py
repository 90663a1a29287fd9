CLAIM = "Bounds of a truncated decomposition of matrices side by side, and clusters within them"
NOT_SHOWN = "not the paper's data sets, nor its timings"
