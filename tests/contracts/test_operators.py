"""One contract that every operator keeps on every library and device."""

import numpy as np
import pytest
from backends import Backend
from operator_cases import BUILDERS, supports
from strategies import FLOATS, LAYOUTS, lay_out, random_array

import lowrank_la as lr
from lowrank_la import _backend as be
from lowrank_la import testing
from lowrank_la.operators.base import densify

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta")

SHAPES = ((7, 5), (5, 7), (6, 6), (1, 6), (6, 1), (1, 1))


@pytest.fixture(params=sorted(BUILDERS))
def cases(request, backend):
    """Every dtype that the device has, and every shape."""
    if not supports(request.param, backend):
        pytest.skip(f"no {request.param} operator on {backend.name}")
    build = BUILDERS[request.param]
    pairs = [(name, SHAPES[0]) for name in backend.dtypes] + [(backend.dtypes[-1], shape) for shape in SHAPES[1:]]
    return [build(backend, random_array(shape, name, seed)) for seed, (name, shape) in enumerate(pairs)]


def tolerance(op, *factors):
    """A few units of roundoff for entries of a product of these matrices."""
    size = np.prod([np.linalg.norm(np.asarray(factor, np.complex128)) for factor in factors])
    return 50 * be.eps(op.dtype) * max(float(size), 1.0)


def agrees(backend, op, got, *factors):
    """Whether `got` is the product of the host matrices `factors`, in the right place and dtype."""
    expected = factors[0]
    for factor in factors[1:]:
        expected = expected @ factor
    assert backend.holds(got)
    assert got.dtype == op.dtype
    assert tuple(got.shape) == expected.shape
    assert np.max(np.abs(backend.to_numpy(got) - expected), initial=0.0) <= tolerance(op, *factors)
    return True


def block(backend, op, rows, columns, seed=11):
    x = random_array((rows, columns), be.dtype_name(op.dtype), seed)
    return x, backend.asarray(x)


def test_attributes_are_those_of_the_data(backend, cases):
    for case in cases:
        assert case.op.shape == case.matrix.shape
        assert case.op.dtype == backend.dtype(case.matrix.dtype.name)
        assert case.op.xp is backend.xp
        assert case.op.device == backend.device
        assert f"{case.op.shape[0]}×{case.op.shape[1]}" in repr(case.op)


@pytest.mark.parametrize("columns", [0, 1, 3])
def test_products_with_blocks_agree_with_the_matrix(backend, cases, columns):
    for case in cases:
        op, a = case.op, case.matrix
        x, X = block(backend, op, a.shape[1], columns)
        y, Y = block(backend, op, a.shape[0], columns)
        assert agrees(backend, op, op.matmat(X), a, x)
        assert agrees(backend, op, op.rmatmat(Y), a.conj().T, y)
        assert agrees(backend, op, op.normal(X), a.conj().T, a, x)


def test_products_with_vectors_agree_with_the_matrix(backend, cases):
    for case in cases:
        op, a = case.op, case.matrix
        x, X = block(backend, op, a.shape[1], 1)
        y, Y = block(backend, op, a.shape[0], 1)
        assert agrees(backend, op, op @ X[:, 0], a, x[:, 0])
        assert agrees(backend, op, op.H @ Y[:, 0], a.conj().T, y[:, 0])
        if backend.name != "strict":  # whose arrays refuse any foreign operand before the operator is asked
            assert agrees(backend, op, Y[:, 0] @ op, y[:, 0], a)
            assert agrees(backend, op, Y.mT @ op, y.T, a)


def test_the_dense_matrix_agrees(backend, cases):
    for case in cases:
        assert agrees(backend, case.op, case.op.todense(), case.matrix)
        assert agrees(backend, case.op, case.op.H.todense(), case.matrix.conj().T)
        assert agrees(backend, case.op, (case.op.H @ case.op).todense(), case.matrix.conj().T, case.matrix)


def test_the_adjoint_passes_the_dot_test(cases):
    for case in cases:
        if case.matrix.shape[0] > 1 or np.max(np.abs(case.matrix)) > 0.01:  # one row centred is rounding noise
            testing.dot_test(case.op)
            testing.dot_test(case.op.H)


def test_normal_is_the_adjoint_after_the_operator(backend, cases):
    for case in cases:
        op, a = case.op, case.matrix
        x, X = block(backend, op, a.shape[1], 2)
        gap = backend.to_numpy(op.normal(X)) - backend.to_numpy(op.rmatmat(op.matmat(X)))
        assert np.max(np.abs(gap)) <= tolerance(op, a, a, x)


def test_the_adjoint_of_the_adjoint_is_the_operator(backend, cases):
    for case in cases:
        x, X = block(backend, case.op, case.matrix.shape[1], 2)
        assert case.op.H.shape == case.matrix.shape[::-1]
        assert agrees(backend, case.op, case.op.H.H.matmat(X), case.matrix, x)


def test_complex_blocks_go_through_real_operators(backend, cases):
    for case in cases:
        op, a = case.op, case.matrix
        wide = backend.nearest("complex128")
        if wide not in backend.dtypes:
            continue
        x, y = (random_array((size, 2), "complex64", size).astype(wide) for size in a.shape[::-1])
        for got, factors in (
            (op.matmat(backend.asarray(x)), (a, x)),
            (op.rmatmat(backend.asarray(y)), (a.conj().T, y)),
            (op.normal(backend.asarray(x)), (a.conj().T, a, x)),
        ):
            assert be.is_complex(got.dtype)
            expected = factors[0] @ factors[1] if len(factors) == 2 else a.conj().T @ (a @ x)
            assert np.max(np.abs(backend.to_numpy(got) - expected)) <= tolerance(op, *factors)


def test_integer_and_narrow_blocks_are_promoted(backend, cases):
    for case in cases:
        x = np.arange(case.matrix.shape[1] * 2, dtype="int32").reshape(-1, 2) - 3
        got = case.op.matmat(backend.asarray(x))
        assert agrees(backend, case.op, got, case.matrix, x)
        single = case.op.matmat(backend.asarray(x.astype("float32")))
        assert agrees(backend, case.op, single, case.matrix, x)


READ = {
    "array": (lambda op, rows, cols: op.array, lambda a, rows, cols: a),
    "diag": (lambda op, rows, cols: op.diag(), lambda a, rows, cols: np.diagonal(a)),
    "take_rows": (lambda op, rows, cols: op.take_rows(rows), lambda a, rows, cols: a[rows]),
    "take_cols": (lambda op, rows, cols: op.take_cols(cols), lambda a, rows, cols: a[:, cols]),
}


@pytest.mark.parametrize("capability", READ)
def test_capabilities_agree_with_the_matrix(backend, cases, capability):
    read, expected = READ[capability]
    for case in cases:
        op, a = case.op, case.matrix
        where = [a.shape[0] - 1, 0, a.shape[0] - 1], [a.shape[1] // 2, a.shape[1] - 1]
        if op.has(capability):
            got = densify(read(op, *where))
            assert backend.holds(got)
            assert np.max(np.abs(backend.to_numpy(got) - expected(a, *where))) <= tolerance(op, a)
        else:
            with pytest.raises(lr.CapabilityError, match=capability):
                read(op, *where)


@pytest.mark.parametrize("single", [False, True])
def test_gram_matrices_agree_with_the_matrix(cases, backend, single):
    for case in cases:
        for op, a in ((case.op, case.matrix), (case.op.H, case.matrix.conj().T)):
            for name, expected in (("gram", a.conj().T @ a), ("outer_gram", a @ a.conj().T)):
                if not op.has(name):
                    with pytest.raises(lr.CapabilityError, match="Gram matrix"):
                        getattr(op, name)()
                    continue
                got = backend.to_numpy(getattr(op, name)(single))
                assert np.array_equal(got, got.conj().T)
                least = max(be.eps(op.dtype), np.finfo("float32").eps if single else 0.0)
                assert np.max(np.abs(got - expected)) <= 10 * least * np.linalg.norm(a) ** 2


def test_frobenius_norms_agree_with_the_matrix(cases):
    for case in cases:
        if case.op.has("fro_norm"):
            assert abs(case.op.fro_norm() - np.linalg.norm(case.matrix)) <= tolerance(case.op, case.matrix)
        else:
            with pytest.raises(lr.CapabilityError, match="fro_norm"):
                case.op.fro_norm()


def test_cost_is_stated(cases):
    for case in cases:
        assert case.op.cost.flops >= 0
        assert case.op.cost.bytes >= 0
        assert isinstance(case.op.cost.dense, bool)


def test_shapes_that_do_not_fit_are_named(backend, cases):
    for case in cases:
        op, (m, n) = case.op, case.matrix.shape
        for product, size in ((op.matmat, n), (op.rmatmat, m), (op.normal, n)):
            _, X = block(backend, op, size + 1, 2)
            with pytest.raises(ValueError, match=rf"{m}×{n}.*\({size + 1}, 2\)"):
                product(X)
        with pytest.raises(ValueError, match=f"{m}×{n}"):
            op.matmat(X[:, 0])


def test_arrays_of_another_home_are_refused_by_name(backend, cases):
    other = "strict" if backend.name == "numpy" else "numpy"
    for case in cases:
        x = np.ones((case.matrix.shape[1], 1), dtype="float32")
        foreign = pytest.importorskip("array_api_strict").asarray(x) if other == "strict" else x
        with pytest.raises(TypeError, match=f"{backend.name}.*{other}"):
            case.op.matmat(foreign)
        with pytest.raises(TypeError, match="list"):
            case.op.matmat([[1.0]])


@pytest.mark.parametrize("name", sorted(BUILDERS))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layouts_on_the_host_do_not_matter(name, layout, host):
    for seed, (dtype, shape) in enumerate([*((dtype, (7, 5)) for dtype in FLOATS), ("float64", (1, 6))]):
        case = BUILDERS[name](host(layout), random_array(shape, dtype, seed))
        for product, a in ((case.op.matmat, case.matrix), (case.op.rmatmat, case.matrix.conj().T)):
            x = random_array((a.shape[1], 3), case.matrix.dtype.name, 4)
            got = product(lay_out(x, layout))
            assert np.max(np.abs(got - a @ x)) <= tolerance(case.op, a, x)
        x = random_array((case.matrix.shape[1], 3), case.matrix.dtype.name, 4)
        expected = case.matrix.conj().T @ (case.matrix @ x)
        assert np.max(np.abs(case.op.normal(lay_out(x, layout)) - expected)) <= tolerance(
            case.op, case.matrix, case.matrix, x
        )


@pytest.fixture
def host():
    """A host backend that hands out matrices in a given memory layout."""

    class Laid(Backend):
        layout = "C"

        def asarray(self, a, dtype=None):
            a = np.array(a, dtype=dtype)
            return lay_out(a, self.layout) if a.ndim == 2 else a

    def make(layout):
        backend = Laid("numpy", be.namespace(np.ones(1)), "cpu", FLOATS)
        type(backend).layout = layout
        return backend

    return make
