"""Success of the robust sparse Walsh-Hadamard transform against bins, noise and repeats."""
