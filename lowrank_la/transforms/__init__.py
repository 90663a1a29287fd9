"""Walsh-Hadamard transforms, dense and sparse, and their relatives."""
