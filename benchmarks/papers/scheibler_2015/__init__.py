"""Success of the sparse Hadamard transform on exact values against groups and load."""
