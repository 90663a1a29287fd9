"""Matrices of known spectrum, hard cases and the dot test, for tests and benchmarks."""

from .adjoint import dot_test
from .matrices import (
    bad_cholesky_qr,
    cauchy,
    heavy_row,
    hermitian,
    hilbert,
    kahan,
    matrix,
    rbf_kernel,
    sparse_tfidf,
)
from .spectra import spectra

__all__ = [
    "bad_cholesky_qr",
    "cauchy",
    "dot_test",
    "heavy_row",
    "hermitian",
    "hilbert",
    "kahan",
    "matrix",
    "rbf_kernel",
    "sparse_tfidf",
    "spectra",
]
