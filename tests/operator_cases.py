"""Every operator, built from one matrix on one backend, with the dense matrix that it stands for."""

import os
import tempfile
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from strategies import random_array

from lowrank_la import operators as ops
from lowrank_la.blocks import block_source


@dataclass(frozen=True)
class Case:
    """An operator and the dense matrix that it has to agree with."""

    op: ops.LinearOperator
    matrix: np.ndarray


def _thin(a, seed=9):
    """Most entries set to zero."""
    return a * (np.random.default_rng(seed).random(a.shape) < 0.4)


def _row(a, seed=3):
    return random_array((a.shape[1],), a.dtype, seed)


def _dense(backend, a):
    return Case(ops.as_operator(backend.asarray(a)), a)


def _sparse(layout):
    def build(backend, a):
        a = _thin(a)
        if backend.name == "torch":
            x = backend.asarray(a)
            if layout == "coo":
                return Case(ops.as_operator(x.to_sparse_coo()), a)
            return Case(ops.as_operator(x.to_sparse_csr() if layout == "csr" else x.to_sparse_csc()), a)
        host = scipy.sparse.coo_array(a).asformat(layout)
        if backend.name == "cupy":
            import cupyx.scipy.sparse

            return Case(ops.as_operator(getattr(cupyx.scipy.sparse, f"{layout}_matrix")(host)), a)
        return Case(ops.as_operator(host), a)

    return build


def _function(backend, a):
    x = backend.asarray(a)
    adjoint = backend.asarray(a.conj().T)
    op = ops.FunctionOperator(
        lambda X: x @ X, lambda Y: adjoint @ Y, a.shape, x.dtype, device=backend.device, xp=backend.xp
    )
    return Case(op, a)


def _scipy(backend, a):
    return Case(ops.as_operator(scipy.sparse.linalg.aslinearoperator(np.array(a))), a)


def _centred(backend, a):
    a = a + 3
    return Case(ops.CentredOperator(_dense(backend, a).op), a - a.mean(axis=0))


def _centred_by(backend, a):
    mean = _row(a)
    return Case(ops.CentredOperator(_dense(backend, a).op, backend.asarray(mean)), a - mean)


def _centred_sparse(backend, a):
    inner = _sparse("csr")(backend, a)
    return Case(ops.CentredOperator(inner.op), inner.matrix - inner.matrix.mean(axis=0))


def _centred_csc(backend, a):
    inner = _sparse("csc")(backend, a)
    return Case(ops.CentredOperator(inner.op), inner.matrix - inner.matrix.mean(axis=0))


def _centred_function(backend, a):
    return Case(ops.CentredOperator(_function(backend, a).op), a - a.mean(axis=0))


def _scaled(backend, a):
    return Case(-2.5 * _dense(backend, a).op, a * np.asarray(-2.5, a.real.dtype))


def _scaled_by_complex(backend, a):
    return Case((1 - 2j) * _dense(backend, a).op, ((1 - 2j) * a).astype(np.result_type(a.dtype, np.complex64)))


def _sum(backend, a):
    b = random_array(a.shape, a.dtype, 5)
    return Case(_dense(backend, a).op + _dense(backend, b).op, a + b)


def _difference_with_low_rank(backend, a):
    low = _low_rank(backend, a)
    return Case(_dense(backend, a).op - low.op, a - low.matrix)


def _product(backend, a):
    b = random_array((a.shape[1], 4), a.dtype, 6)
    return Case(_dense(backend, a).op @ ops.as_operator(backend.asarray(b)), a @ b)


def _adjoint(backend, a):
    return Case(ops.AdjointOperator(_dense(backend, a).op), a.conj().T)


def _adjoint_of_sum(backend, a):
    inner = _difference_with_low_rank(backend, a)
    return Case(inner.op.H, inner.matrix.conj().T)


def _vertical(backend, a):
    b = random_array((3, a.shape[1]), a.dtype, 7)
    parts = [_dense(backend, a).op, _low_rank(backend, a).op, _dense(backend, b).op]
    return Case(ops.StackedOperator(parts), np.concatenate([a, _low_rank(backend, a).matrix, b]))


def _horizontal(backend, a):
    b = random_array((a.shape[0], 2), a.dtype, 8)
    parts = [_dense(backend, b).op, _dense(backend, a).op]
    return Case(ops.StackedOperator(parts, axis=1), np.concatenate([b, a], axis=1))


def _diagonal(backend, a):
    d = _row(a)
    return Case(ops.DiagonalOperator(backend.asarray(d)), np.diag(d))


def _factors(a, k=2):
    U, V = random_array((a.shape[0], k), a.dtype, 1), random_array((a.shape[1], k), a.dtype, 2)
    return U, np.asarray([1.5, -0.5][:k], a.real.dtype), V.conj().T


def _low_rank(backend, a):
    U, s, Vh = _factors(a)
    return Case(ops.LowRank(*map(backend.asarray, (U, s, Vh))), (U * s) @ Vh)


def _low_rank_without_s(backend, a):
    U, _, Vh = _factors(a)
    return Case(ops.LowRank(backend.asarray(U), None, backend.asarray(Vh)), U @ Vh)


def _low_rank_algebra(backend, a):
    """Sum, multiple, product and adjoint of factored matrices, factored throughout."""
    U, s, Vh = _factors(a)
    first, square = _low_rank(backend, a).op, ops.LowRank(backend.asarray(Vh.conj().T), None, backend.asarray(Vh))
    matrix = (U * s) @ Vh
    op = ((first + 2.0 * first) @ square).H
    assert isinstance(op, ops.LowRank)
    return Case(op, (3 * matrix @ (Vh.conj().T @ Vh)).conj().T)


def _empty_low_rank(backend, a):
    U, Vh = np.zeros((a.shape[0], 0), a.dtype), np.zeros((0, a.shape[1]), a.dtype)
    return Case(ops.LowRank(backend.asarray(U), None, backend.asarray(Vh)), np.zeros_like(a))


def _sparse_plus_low_rank(backend, a):
    U, _, Vh = _factors(a)
    S = _sparse("csr")(backend, a)
    return Case(ops.SparsePlusLowRank(backend.asarray(U), backend.asarray(Vh.conj().T), S.op), U @ Vh + S.matrix)


def _blocks(backend, a):
    return Case(ops.BlockOperator(block_source(backend.asarray(a), rows=2)), a)


def _mapped(backend, a):
    path = os.path.join(tempfile.mkdtemp(), "array.npy")
    np.save(path, a)
    return Case(ops.as_operator(np.load(path, mmap_mode="r")), a)


def _centred_blocks(backend, a):
    a = a + 3
    return Case(ops.CentredOperator(_blocks(backend, a).op), a - a.mean(axis=0))


def _metered_blocks(backend, a):
    return Case(ops.MeteredOperator(_blocks(backend, a).op).H, a.conj().T)


def _metered(backend, a):
    return Case(ops.MeteredOperator(_dense(backend, a).op), a)


def _metered_adjoint(backend, a):
    return Case(ops.MeteredOperator(_dense(backend, a).op).H, a.conj().T)


BUILDERS = {
    name.lstrip("_"): value
    for name, value in list(globals().items())
    if name.startswith("_") and getattr(value, "__code__", None) and value.__code__.co_varnames[:2] == ("backend", "a")
} | {f"sparse_{layout}": _sparse(layout) for layout in ("csr", "csc", "coo")}

HOST_ONLY = ("scipy", "mapped")
SPARSE = ("sparse_csr", "sparse_csc", "sparse_coo", "centred_sparse", "centred_csc", "sparse_plus_low_rank")


def supports(name, backend):
    """Whether the operator exists on that backend: strict arrays have no sparse form, SciPy is the host's."""
    if name in HOST_ONLY:
        return backend.name == "numpy"
    return name not in SPARSE or backend.name != "strict"
