"""Approximations spanned by actual rows and columns of a matrix."""
