"""The declarations of `supports` are true: what is declared gives the right answer, what is not is refused."""

import os
import tempfile
import warnings
from dataclasses import dataclass, fields, replace

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from backends import make_backend
from factor import oracles

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.factor.lazy import in_memory

N = 6
CALLS = {
    "svd": lambda A: lr.svd(A, N, rng=0),
    "eigh": lambda A: lr.eigh(A, N, rng=0),
    "qb": lambda A: lr.qb(A, N, rng=0),
    "nystrom": lambda A: lr.nystrom(A, N, rng=0),
    "tall_qr": lr.tall_qr,
    "rpcholesky": lambda A: lr.rpcholesky(A, N, rng=0),
    "ridge_nystrom": lambda A: lr.ridge_nystrom(A, 1e-3, rng=0),
    "interpolative": lambda A: lr.interpolative(A, N, rng=0),
    "cur": lambda A: lr.cur(A, N, rng=0),
    "NystromPosterior": lambda A: posterior(A).predict(A),
    "complete": lambda A: lr.complete(A, N, tol=completion_tol(A), holdout=0, rng=0),
    "recover": lambda A: lr.recover(
        np.divmod(np.arange(N * N), N), flattened(A), (N, N), N, loss="l2", preconditioned=True, rng=0
    ),
    "robust_pca": lambda A: lr.robust_pca(A, N, tol=1e-15, rng=0),
    "anchor_estimate": lambda A: lr.anchor_estimate(A, A, A),
    "dct": lambda A: (lr.dct(A),),
    "strongest_columns": lambda A: lr.strongest_columns(A, N),
    "fwht": lambda A: (lr.fwht(A, block=2, norm="ortho"),),
    "sparse_wht": lambda A: lr.sparse_wht(cube(A), rng=0),
    "lstsq": lambda A: lr.lstsq(A, right_side(A), rng=0),
    "leverage_scores": lambda A: lr.leverage_scores(A, ridge=1.0),
    "lewis_weights": lambda A: lr.lewis_weights(A, 1),
    "lp_sensitivities": lambda A: lr.lp_sensitivities(A, 3, rng=0),
    "sample_rows": lambda A: lr.sample_rows(A, N, p=1, rng=0),
    "embedding_distortion": lambda A: lr.embedding_distortion(A, *lr.sample_rows(A, N, rng=0)[:2]),
    "ProjectionDPP": lambda A: (lr.ProjectionDPP(A).sample(rng=0),),
    "DPP": lambda A: (lr.DPP(A).sample(rng=0),),
    "KDPP": lambda A: (lr.KDPP(3, A).sample(rng=0),),
    "volume_sample": lambda A: lr.volume_sample(A, N, rng=0),
    "volume_rescaled_sample": lambda A: lr.volume_rescaled_sample(A, N, rng=0),
    "IncrementalSVD": lambda A: lr.IncrementalSVD(N).partial_fit(A).result(),
    "FrequentDirections": lambda A: lr.FrequentDirections(N).partial_fit(A).result(),
    "SinglePassSketch": lambda A: lr.SinglePassSketch((N, N), N, rng=0).partial_fit(A).result(),
    "SlidingWindow": lambda A: lr.SlidingWindow(lr.IncrementalSVD(N), N).partial_fit(A).result(),
    "weighted_lstsq": lambda A: lr.weighted_lstsq(A, lambda rows: chosen_of_right_side(A, rows), 2 * N, rng=0)[:1],
    "TopEigenvector": lambda A: (lr.TopEigenvector("random", rng=0).partial_fit(A).result().v,),
    "OjaPCA": lambda A: lr.OjaPCA(N, method="history", rng=0).partial_fit(A).result(),
    "cluster_matrices": lambda A: lr.cluster_matrices([A, A], N, 0.1),
    "hierarchical_svd": lambda A: lr.hierarchical_svd([A, A], N),
    "ChebTuck": lambda A: interpolated(A)[:1],
    "FunctionalTucker": lambda A: (
        lr.FunctionalTucker(1, length_scale=1.0, variance=1.0, noise=0.1, core="superdiagonal")
        .fit(np.arange(N * N) / N, flattened(A), starts=1, tol=0.1, rng=0)
        .predict(np.arange(N * N) / N)
    ),
    "tucker": lambda A: lr.tucker(A, N),
    "TuckerSketch": lambda A: lr.TuckerSketch((N, N), N, width=N, rng=0).update(A).result(),
    "decompose_conv": lambda A: lr.decompose_conv(as_kernels(A), rank=N),
    "cp": lambda A: lr.cp(A, N, rng=0, maxiter=3000, tol=1e-7),
    "gcp": lambda A: lr.gcp(A, N, tol=1e-8, maxiter=5000, rng=0),
    "core_consistency": lambda A: lr.core_consistency(A, rows_as_terms(A)),
    "split_half": lambda A: lr.split_half(cube_of_three(A), 1, splits=1, starts=1, maxiter=2000, rng=0),
    "suggest_rank": lambda A: lr.suggest_rank(cube_of_three(A), 1, splits=1, starts=1, maxiter=2000, rng=0),
}
for _name in lr.__all__:
    getattr(lr, _name)  # a function declares what it supports when it is loaded


def positive(dtype="float64"):
    """6×6, Hermitian and positive definite: what every function takes whole."""
    return testing.hermitian(N, np.linspace(2.0, 1.0, N), dtype=dtype, rng=1)


def completion_tol(A):
    """A residual that factors in the precision of `A` reach."""
    return 1e-13 if str(getattr(A, "dtype", "")).endswith(("float64", "complex128")) else 1e-6


def flattened(A):
    """The entries of an array by rows; anything else as it is."""
    whole = be.is_array(A) and not be.is_sparse(A) and be.kind(be.namespace(A)) != "other"
    return be.namespace(A).reshape(A, (-1,)) if whole else A


def cube(A):
    """The first 32 entries of an array by rows, which is a power of two; anything else as it is."""
    flat = flattened(A)
    return flat[:32] if flat is not A else A


def as_kernels(A):
    """A matrix as the weights of a 1×1 convolution; anything else as it is."""
    flat = flattened(A)
    return be.namespace(flat).reshape(flat, (N, N, 1, 1)) if flat is not A else A


def cube_of_three(A):
    """The first 27 entries of an array by rows as a cube; anything else as it is."""
    flat = flattened(A)
    return be.namespace(flat).reshape(flat[:27], (3, 3, 3)) if flat is not A else A


def rows_as_terms(A):
    """A matrix as the sum of its rows, each in its place."""
    op = lr.as_operator(A)
    eye = op.xp.eye(N, dtype=op.dtype, device=op.device)
    return None, [eye, (op @ eye).mT]


def interpolated(A):
    """Values at cell centres of the Chebyshev-Tucker approximation of `A` on a grid, which misses a rough grid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lr.ConvergenceWarning)
        return (lr.ChebTuck.fit(A, degree=40).to_grid(N),)


def right_side(A):
    """``A`` times ones, in the library of `A`."""
    op = lr.as_operator(A)
    return op @ op.xp.ones(N, dtype=op.dtype, device=op.device)


def chosen_of_right_side(A, rows):
    """The entries `rows` of `right_side`."""
    b = right_side(A)
    return be.namespace(b).take(b, rows, axis=0)


def posterior(X):
    """Posterior of a linear kernel on the rows of `X` as points, all of them inducing points."""
    return lr.NystromPosterior(lambda x, y: x @ y.mT, ridge=1.0, budget=100.0, rng=0).fit(X, right_side(X))


@dataclass(frozen=True)
class Input:
    """One kind of data: how it is made, and the library and dtype of the factors that have to come back."""

    make: object
    kind: str = "numpy"
    dtype: str = "float64"
    marks: tuple = ()


def array(library, device=None, dtype="float64", **options):
    def make():
        backend = make_backend(library, device)
        return backend.asarray(positive(backend.nearest(dtype)))

    return Input(make, library, dtype, **options)


def half(library, dtype):
    if library == "numpy":
        return Input(lambda: positive("float16"), dtype=dtype)
    return Input(lambda: array(library, "cpu").make().to(getattr(pytest.importorskip("torch"), dtype)), library, dtype)


def sparse(layout):
    return Input(lambda: getattr(scipy.sparse, f"{layout}_array")(positive()))


def cupyx():
    pytest.importorskip("cupy")
    from cupyx.scipy.sparse import csr_matrix

    return csr_matrix(array("cupy").make())


def functions():
    A = positive()
    return lr.operator(lambda X: A @ X, lambda Y: A.T @ Y, A.shape, A.dtype)


def tracked():
    return array("torch", "cpu").make().clone().requires_grad_()


def memory_map():
    name = os.path.join(tempfile.mkdtemp(), "positive.npy")
    np.save(name, positive())
    return np.load(name, mmap_mode="r")


def dask():
    return pytest.importorskip("dask.array").from_array(positive(), chunks=3)


def in_slabs():
    return lr.block_source(positive(), rows=4)


GPU = (pytest.mark.gpu,)
STRICT = {str(device).split("'")[1]: device for device in array_api_strict.__array_namespace_info__().devices()}
INPUTS = {
    "numpy": {"array": array("numpy"), "single": array("numpy", dtype="float32"), "memory map": Input(memory_map)},
    "strict": {name: array("strict", device, "float32") for name, device in STRICT.items()},
    "torch": {"cpu": array("torch", "cpu"), "cuda": array("torch", "cuda", marks=GPU)},
    "cupy": {"array": array("cupy", marks=GPU), "single": array("cupy", dtype="float32", marks=GPU)},
    "sparse": {
        "csr": sparse("csr"),
        "csc": sparse("csc"),
        "coo": sparse("coo"),
        "torch": Input(lambda: array("torch", "cpu").make().to_sparse(), "torch"),
        "cupyx": Input(cupyx, "cupy", marks=GPU),
    },
    "operators": {
        "functions": Input(functions),
        "scipy": Input(lambda: scipy.sparse.linalg.aslinearoperator(positive())),
        "result": Input(lambda: lr.svd(positive(), N, rng=0)),
        "sum": Input(lambda: functions() + lr.as_operator(positive()) - positive()),
    },
    "blocks": {"dask": Input(dask), "source": Input(in_slabs)},
    "complex": {
        "numpy": array("numpy", dtype="complex128"),
        "numpy single": array("numpy", dtype="complex64"),
        "strict": array("strict", STRICT["CPU_DEVICE"], "complex128"),
        "torch": array("torch", "cpu", "complex128"),
        "cupy": array("cupy", dtype="complex128", marks=GPU),
    },
    "half": {
        "numpy": half("numpy", "float16"),
        "torch": half("torch", "float16"),
        "torch bfloat16": half("torch", "bfloat16"),
    },
    "autograd": {"torch": Input(tracked, "torch")},
}
COLUMNS = [field.name for field in fields(be.Support)]


def pairs():
    for name in sorted(be.SUPPORT):
        for column, inputs in INPUTS.items():
            for label, data in inputs.items():
                yield pytest.param(name, column, data, id=f"{name}-{column}-{label}", marks=data.marks)


def rebuilt(result):
    """The matrix that the factors stand for, in their own library."""
    first, second, *third = result
    if third:
        return first * second[None, :] @ third[0]
    return second * first[None, :] @ be.mH(second) if first.ndim == 1 else first @ second


def check_answer(result, data):
    for part in result:
        assert be.kind(be.namespace(part)) == data.kind
    names = {be.dtype_name(part.dtype) for part in result if part.ndim == 2}
    assert data.dtype in names
    assert names <= {data.dtype, "float32"} if data.dtype in ("float16", "bfloat16") else names == {data.dtype}
    if data.dtype != "bfloat16":
        assert oracles.true_error(positive(data.dtype), result) <= 500 * oracles.eps(data.dtype)


def check_numbers(name, result, data):
    """Real numbers that the matrix determines: those of the same matrix in double precision on NumPy."""
    single = data.dtype not in ("float64", "complex128")
    eps = {"float16": 2.0**-14, "bfloat16": 2.0**-11}.get(data.dtype) or oracles.eps(data.dtype)
    given = positive("complex128" if data.dtype.startswith("complex") else "float64")
    for part, expected in zip(result, CALLS[name](given), strict=True):
        if be.is_array(part):
            assert be.kind(be.namespace(part)) == data.kind
            assert (
                be.dtype_name(part.dtype).startswith("int")
                or part.ndim == 2
                or single == be.dtype_name(part.dtype).endswith("32")
            )
        if np.ndim(expected) < 2:
            np.testing.assert_allclose(oracles.wide(np.asarray(be.to_numpy(part))), expected, rtol=0, atol=500 * eps)


def check_ones(_name, result, data):
    """A solution that is all ones."""
    (x,) = result
    assert be.kind(be.namespace(x)) == data.kind
    assert be.dtype_name(x.dtype) == data.dtype
    np.testing.assert_allclose(
        oracles.wide(x if data.dtype != "bfloat16" else x.float()), 1.0, rtol=0, atol=500 * be.eps(x.dtype)
    )


def check_rows(_name, result, data):
    """Row numbers in the library of the data, each once."""
    rows = be.to_numpy(result[0])
    assert all(be.kind(be.namespace(part)) == data.kind for part in result)
    assert sorted(rows.tolist()) == sorted({int(row) for row in rows} & set(range(N)))


def check_skeleton(_name, result, data, op=None):
    """Row or column numbers and factors in the library of the data, and an operator equal to the matrix."""
    for part in result:
        assert be.kind(be.namespace(part)) == data.kind
    op = result.__lowrank_operator__() if op is None else op
    found = op @ op.xp.eye(N, dtype=op.dtype, device=op.device)
    dtype = {"bfloat16": "float32"}.get(data.dtype, data.dtype)
    eps = 2.0**-7 if data.dtype == "bfloat16" else oracles.eps(data.dtype)
    assert be.dtype_name(op.dtype) == ("float32" if "float16" in data.dtype else data.dtype)
    assert oracles.relative_error(positive(dtype), found) <= 500 * eps


def check_parts(_name, result, data):
    """A low-rank and a sparse part in the library of the data whose sum is the matrix."""
    check_skeleton(_name, (result.U, result.s, result.Vh), data, lr.as_operator(result) + lr.as_operator(result.S))


def check_rotation(_name, result, data):
    """A rotation, which another one undoes."""
    (turned,) = result
    assert be.kind(be.namespace(turned)) == data.kind
    assert be.dtype_name(turned.dtype) == data.dtype
    forward, backward = ROTATIONS[_name]
    back = oracles.wide(backward(turned) if data.dtype != "bfloat16" else turned.float())
    given = positive("complex128" if data.dtype.startswith("complex") else "float64")
    expected = forward(given) if data.dtype == "bfloat16" else given
    eps = {"float16": 2.0**-11, "bfloat16": 2.0**-8}.get(data.dtype) or oracles.eps(data.dtype)
    np.testing.assert_allclose(back, expected, rtol=0, atol=10 * eps)


def check_spectrum(_name, result, data):
    """Coefficients of 32 numbers, those at the frequencies left out being zero."""
    assert all(be.kind(be.namespace(part)) == data.kind for part in result)
    assert be.dtype_name(result.coefficients.dtype) == data.dtype
    eps = ({"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(data.dtype) or oracles.eps(data.dtype)) ** (2 / 3)
    numbers = positive("complex128" if data.dtype.startswith("complex") else "float64").reshape(-1)[:32]
    expected = lr.fwht(numbers) / 32
    places = be.to_numpy(result.indices).astype(int) @ (1 << np.arange(4, -1, -1))
    coefficients = result.coefficients.float() if data.dtype == "bfloat16" else result.coefficients
    expected[places] -= oracles.wide(coefficients)
    np.testing.assert_allclose(expected, 0.0, rtol=0, atol=4 * eps)


def check_columns_of_a_basis(_name, result, data):
    """All columns of the matrix in a basis: nothing is lost."""
    assert all(be.kind(be.namespace(part)) == data.kind for part in result)
    assert be.dtype_name(result.coefficients.dtype) == data.dtype
    eps = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(data.dtype) or oracles.eps(data.dtype)
    expected = positive("complex128" if data.dtype.startswith("complex") else "float64")
    full = result.full().float() if data.dtype == "bfloat16" else result.full()
    assert oracles.relative_error(expected, full) <= 20 * eps


def check_vectors(_name, result, data):
    """Parts in the library and precision of the data: unit vectors as the rows of a matrix, or alone."""
    half = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(data.dtype)
    for part in result:
        assert be.kind(be.namespace(part)) == data.kind
    vectors = result[-1]
    assert be.dtype_name(vectors.dtype) == data.dtype
    host = oracles.wide(be.to_numpy(vectors.float() if data.dtype == "bfloat16" else vectors))
    norms = np.linalg.norm(host, axis=-1)
    np.testing.assert_allclose(norms, 1.0, rtol=0, atol=100 * (half or oracles.eps(data.dtype)))


def check_clusters(_name, result, data):
    """Labels and a basis in the library of the data; two equal blocks are one cluster."""
    for part in (result.labels, result.upper, result.lower, result.bases):
        assert be.kind(be.namespace(part)) == data.kind
    assert be.dtype_name(result.bases.dtype) == data.dtype
    assert be.to_numpy(result.labels).tolist() == [0, 0]
    assert be.to_numpy(result.upper)[0] <= 1e-4


def check_model(_name, result, data):
    """Factors in the library and dtype of the data whose model is near the matrix."""
    for factor in result.factors:
        assert be.kind(be.namespace(factor)) == data.kind
        assert be.dtype_name(factor.dtype) == data.dtype
    full = result.full().float() if data.dtype == "bfloat16" else result.full()
    assert oracles.relative_error(positive(), full) <= 0.02


def check_tucker(_name, result, data):
    """Factors or kernels in the library and dtype of the data that stand for the matrix."""
    parts = getattr(result, "factors", None) or result.kernels
    for part in (*parts, getattr(result, "core", parts[0])):
        assert be.kind(be.namespace(part)) == data.kind
    assert {be.dtype_name(part.dtype) for part in parts} == {data.dtype}
    full = result.full().float() if data.dtype == "bfloat16" else result.full()
    eps = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(data.dtype) or oracles.eps(data.dtype)
    given = positive("complex128" if data.dtype.startswith("complex") else "float64")
    assert oracles.relative_error(given, be.namespace(full).reshape(full, (N, N))) <= 500 * eps


def check_terms(_name, result, data):
    """Unit columns in the library and dtype of the data whose model is the matrix."""
    for factor in result.factors:
        assert be.kind(be.namespace(factor)) == data.kind
        assert be.dtype_name(factor.dtype) == data.dtype
    eps = 2.0**-7 if data.dtype == "bfloat16" else oracles.eps(data.dtype)
    full = result.full().float() if data.dtype == "bfloat16" else result.full()
    dtype = "complex128" if data.dtype.startswith("complex") else "float64"
    assert oracles.relative_error(positive(dtype), full) <= max(1e-5, 500 * eps)


def check_hundred(_name, result, data):
    """A core consistency of one hundred."""
    assert result == pytest.approx(100.0, abs=0.1)


def check_figures(_name, result, data):
    """Figures on the host that are finite."""
    assert all(np.isfinite(part).all() for part in result)


def check_grid(_name, result, data):
    """The matrix itself at the centres of cells, as splines have it there; half precision is promoted."""
    (X,) = result
    assert be.kind(be.namespace(X)) == data.kind
    promoted = {"float16": "float32", "bfloat16": "float32"}.get(data.dtype, data.dtype)
    assert be.dtype_name(X.dtype) == promoted
    loss = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(data.dtype, 0.0)
    (expected,) = interpolated(positive("complex128" if data.dtype.startswith("complex") else "float64"))
    bound = loss + 500 * be.eps(X.dtype)
    np.testing.assert_allclose(oracles.wide(np.asarray(be.to_numpy(X))), expected, rtol=0, atol=4 * bound)


def check_predictions(name, result, data):
    """Means and standard deviations in the dtype of the values, those of double precision up to its rounding."""
    expected = CALLS[name](positive("float64"))
    for part, exact in zip(result, expected, strict=True):
        assert be.kind(be.namespace(part)) == data.kind
        assert be.dtype_name(part.dtype) == data.dtype
        numbers = part.float() if data.dtype == "bfloat16" else part
        np.testing.assert_allclose(
            oracles.wide(np.asarray(be.to_numpy(numbers))), exact, rtol=0, atol=100 * be.eps(part.dtype)
        )


CHECKS = dict.fromkeys(
    ("leverage_scores", "lewis_weights", "lp_sensitivities", "sample_rows", "embedding_distortion", "NystromPosterior"),
    check_numbers,
)
CHECKS |= dict.fromkeys(("rpcholesky", "ridge_nystrom", "interpolative", "cur", "complete", "recover"), check_skeleton)
ROTATIONS = {
    "fwht": (lambda A: lr.fwht(A, block=2, norm="ortho"),) * 2,
    "dct": (lr.dct, lambda A: lr.dct(A, kind=3)),
}
CHECKS |= dict.fromkeys(ROTATIONS, check_rotation)
CHECKS["sparse_wht"] = check_spectrum
CHECKS["ChebTuck"] = check_grid
CHECKS["FunctionalTucker"] = check_predictions
CHECKS |= {"strongest_columns": check_columns_of_a_basis, "robust_pca": check_parts, "anchor_estimate": check_skeleton}
CHECKS |= dict.fromkeys(("IncrementalSVD", "SlidingWindow", "FrequentDirections"), check_numbers)
CHECKS |= {"TopEigenvector": check_vectors, "OjaPCA": check_vectors, "cluster_matrices": check_clusters}
CHECKS |= {"hierarchical_svd": check_numbers}
CHECKS |= dict.fromkeys(("tucker", "TuckerSketch", "decompose_conv"), check_tucker)
CHECKS |= {
    "cp": check_terms,
    "gcp": check_model,
    "core_consistency": check_hundred,
    "split_half": check_figures,
    "suggest_rank": check_figures,
}
CHECKS |= dict.fromkeys(("lstsq", "weighted_lstsq"), check_ones)
CHECKS |= dict.fromkeys(("ProjectionDPP", "DPP", "KDPP", "volume_sample", "volume_rescaled_sample"), check_rows)


@pytest.mark.parametrize(("name", "column", "data"), list(pairs()))
def test_what_is_declared_is_answered_and_what_is_not_is_refused(name, column, data):
    A = data.make()
    if not getattr(be.SUPPORT[name], column):
        with pytest.raises((TypeError, ValueError), match=r"\w+ \w+"):
            CALLS[name](A)
        return
    result = CALLS[name](A)
    if column == "autograd" and len(result) == 1:
        (result[0] ** 2).sum().backward()
        np.testing.assert_allclose(A.grad, 2 * positive(), rtol=0, atol=100 * oracles.eps("float64"))
    elif column == "autograd":
        (rebuilt(result) ** 2).sum().backward()
        np.testing.assert_allclose(A.grad, 2 * positive(), rtol=0, atol=100 * oracles.eps("float64"))
        result = [part.detach() for part in result]
        assert oracles.relative_error(positive(), rebuilt(result)) <= 100 * oracles.eps("float64")
    elif name in ("svd", "qb"):
        check_answer(replace(result, **{part: in_memory(getattr(result, part)) for part in result._unpack}), data)
    elif name in CHECKS:
        CHECKS[name](name, result, data)
    else:
        check_answer(result, data)


def test_every_column_and_every_function_is_tried():
    assert list(INPUTS) == COLUMNS
    assert set(CALLS) == set(be.SUPPORT)


def test_a_declaration_that_says_too_little_is_noticed(monkeypatch):
    monkeypatch.setitem(be.SUPPORT, "qb", be.Support(sparse=False))
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_what_is_declared_is_answered_and_what_is_not_is_refused("qb", "sparse", INPUTS["sparse"]["csr"])


@pytest.mark.parametrize("column", ["blocks", "autograd"])
def test_a_declaration_that_says_too_much_is_noticed(column, monkeypatch):
    monkeypatch.setitem(be.SUPPORT, "tall_qr", be.Support(blocks=True, autograd=True))
    data = next(iter(INPUTS[column].values()))
    with pytest.raises(TypeError):
        test_what_is_declared_is_answered_and_what_is_not_is_refused("tall_qr", column, data)
