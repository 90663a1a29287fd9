"""Wrong calls and what they are told: run for the page of the documentation, and by a test."""

import warnings

import numpy as np
import scipy.sparse

import lowrank_la as lr

A = np.arange(24.0).reshape(6, 4) % 7
T = np.arange(24.0).reshape(2, 3, 4) % 5
NAMES = {"np": np, "lr": lr, "sparse": scipy.sparse, "A": A, "T": T}

# (what is asked, words that the answer has to hold: the argument, the value, a way out)
CALLS = [
    ("lr.svd(A)", "rank", "tol"),
    ("lr.svd(A, 3.0)", "rank must be an integer", "3.0"),
    ("lr.svd(A, 5)", "rank", "at most min(m, n) = 4", "5"),
    ("lr.svd(A, 0)", "rank", "at least 1", "0"),
    ("lr.svd(A, tol=2)", "tol", "(0, 1)", "2"),
    ("lr.svd(A, 2, method='fast')", "method", "'krylov'", "'fast'"),
    ("lr.svd(np.full((3, 2), np.nan), 1)", "NaN"),
    ("lr.svd(np.ones((3, 0)), 1)", "A of shape", "3×0", "one column at least"),
    ("lr.svd({}, 1)", "array", "dict", "lowrank_la.operator"),
    ("lr.svd(np.ones(5), 1)", "two-dimensional"),
    ("lr.svd(np.ones((2, 2, 2)), 1)", "two-dimensional"),
    ("lr.svd(A, 2, rng='seed')", "rng", "'seed'"),
    ("lr.svd(A, 2, center='yes')", "center", "'yes'"),
    ("lr.svd(A, 2, on_failure='ignore')", "on_failure", "'ignore'", "'raise'"),
    ("lr.eigh(A, 1)", "square", "6×4"),
    ("lr.eigh(A[:4], 1, rng=0)", "Hermitian"),
    ("lr.eigh(np.eye(4), 1, which='SM')", "which", "'SM'"),
    ("lr.nystrom(-np.eye(4), 2, rng=0)", "positive semidefinite"),
    ("lr.tall_qr(A.T)", "m ≥ n", "4×6", "adjoint"),
    ("lr.qb(A, 2, power=-1)", "power", "-1"),
    ("lr.interpolative(A, 2, axis=2)", "axis", "2"),
    ("lr.cur(A, 9)", "rank", "9"),
    ("lr.rpcholesky(A, 2)", "square"),
    ("lr.KernelMatrix(A, 'rbf')", "kernel", "str"),
    ("lr.leverage_scores(A, rank=2, ridge=1.0)", "rank or ridge", "not both"),
    ("lr.leverage_scores(A, ridge=-1.0)", "ridge", "-1.0"),
    ("lr.lewis_weights(A, 0)", "p", "0"),
    ("lr.sample_rows(A, 0)", "size", "0"),
    ("lr.DPP()", "factor"),
    ("lr.DPP(-np.eye(3)).sample(rng=0)", "positive semidefinite"),
    ("lr.KDPP(4, np.eye(3))", "k", "4"),
    ("lr.ProjectionDPP(A.T)", "rows", "columns", "4×6", "pass the adjoint"),
    ("lr.volume_sample(A, 2)", "size", "2"),
    ("lr.lstsq(A, np.ones(5))", "b", "6", "5"),
    ("lr.lstsq(A, np.ones(6), ridge=-1)", "ridge", "-1"),
    ("lr.weighted_lstsq(lr.Legendre(3), np.cos, 2)", "size", "3, the number of features", "2"),
    ("lr.complete(A, 2, nonneg=True, bias=True)", "nonneg", "bias"),
    ("lr.complete(np.full((3, 3), np.nan), 1)", "observed"),
    ("lr.complete(([0, 0], [1, 1], [1.0, 2.0]), 1, shape=(2, 2))", "row 0, column 1", "duplicates"),
    ("lr.complete(([0, 5], [1, 1], [1.0, 2.0]), 1, shape=(2, 2))", "5"),
    ("lr.complete(A, 2, weights=-np.ones((6, 4)))", "weights", "-1"),
    ("lr.robust_pca(sparse.eye_array(4), 1)", "sparse"),
    ("lr.robust_pca(np.full((3, 3), np.inf), 1)", "mask"),
    ("lr.recover(np.ones((5, 3, 3)), np.ones(4), (3, 3), 1)", "y", "5", "4"),
    ("lr.anchor_estimate(A, A, A[:2])", "cross", "(2, 4)"),
    ("lr.IncrementalSVD(2).result()", "partial_fit"),
    ("lr.IncrementalSVD(5).partial_fit(A)", "rank", "5"),
    ("lr.IncrementalSVD(2).partial_fit(A).partial_fit(A[:, :3])", "columns", "3"),
    ("lr.IncrementalSVD(2).partial_fit(A).partial_fit(np.float32(A))", "float32"),
    ("lr.IncrementalSVD(2, forget=2.0)", "forget", "2.0"),
    ("lr.IncrementalSVD(2).merge(lr.FrequentDirections(4))", "FrequentDirections"),
    ("lr.FrequentDirections(0)", "size", "0"),
    ("lr.TopEigenvector('any')", "order", "'any'"),
    ("lr.cluster_matrices([A], 2, 1.5)", "tol", "1.5"),
    ("lr.fwht(np.ones(7))", "7", "8"),
    ("lr.fwht(np.full(2, 2**62))", "64 bits", "floating-point"),
    ("lr.fwht(np.ones(8), order='walsh')", "order", "'walsh'"),
    ("lr.hadamard(6)", "n is 6", "4 and 8", "take one of them"),
    ("lr.sparse_wht(np.ones(7), 3)", "7"),
    ("lr.sparse_wht(lambda bits: bits, 3)", "shape"),
    ("lr.dct(A, 5)", "5"),
    ("lr.sketch.Gaussian(0, 4)", "d", "0"),
    ("lr.cp(T, 0)", "rank", "at least 1", "0"),
    ("lr.cp(T, 2, method='hals')", "method", "'als'", "'hals'"),
    ("lr.cp(np.where(T > 3, np.nan, T), 2)", "NaN", "mask"),
    ("lr.cp(T, 2, mask=np.ones((2, 3), bool))", "mask", "(2, 3, 4)"),
    ("lr.gcp(-T, 2, loss='poisson')", "poisson", "negative"),
    ("lr.gcp(T, 2, loss='cauchy')", "loss", "'cauchy'"),
    ("lr.tucker(T)", "rank", "tol"),
    ("lr.tucker(T, (2, 2))", "rank", "3"),
    ("lr.tucker(T, tol=0)", "tol", "(0, 1)", "0"),
    ("lr.decompose_conv(T, rank=2)", "W", "(2, 3, 4)"),
    ("lr.ChebTuck.fit(np.sin, [(1, -1)])", "domain"),
    ("lr.FunctionalTucker(2).fit(np.ones((5, 2)), np.ones(4))", "y", "5", "4"),
    ("lr.factor_match_score(lr.cp(T, 1, rng=0), 3)", "b", "int"),
    ("lr.as_operator(None)", "None"),
    ("lr.load('missing.npz')", "missing.npz"),
    ("lr.load(3)", "path", "3", "int"),
    ("np.asarray(lr.svd(A, 2))", "SVDResult", "unpack it", "full()"),
    ("lr.lstsq(A, np.ones(6)).full()", "LstsqResult", "does not stand for a matrix"),
    ("lr.cite(3)", "int"),
    ("lr.block_source(np.array(3.0))", "dimension"),
]


def answer(call):
    """``(kind of exception, its text)`` of a call; AssertionError where nothing is raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            eval(call, dict(NAMES))
    except (ValueError, TypeError, OSError, OverflowError, IndexError) as error:
        return type(error).__name__, str(error)
    raise AssertionError(f"{call} raised nothing")


def page():
    """The table of the documentation."""
    lines = ["| call | answer |", "|---|---|"]
    for call, *_ in CALLS:
        kind, text = answer(call)
        shown = " ".join(text.split()).replace("|", "\\|")
        lines.append(f"| `{call}` | {kind}: {shown} |")
    return "\n".join(lines) + "\n"
