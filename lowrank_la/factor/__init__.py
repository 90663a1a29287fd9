"""Factorisations of one matrix: singular values, eigenvalues, range and Nystrom approximations, tall QR."""
