"""The low-rank and the sparse part."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from .. import _backend as be
from ..operators import LowRank
from ..operators.sparse import SparseOperator
from ..results import Info, Result
from .factors import product_svd
from .panels import Data, entries_of

_ROUNDING = 32.0  # units of roundoff times the rank, by which factors may be off orthonormal
_SOURCES = {
    "accaltproj": ("cai_cai_wei_2019",),
    "godec": ("zhou_tao_2011",),
    "ircur": ("cai_hamm_huang_li_wang_2021",),
    "pcp": ("lin_chen_ma_2010",),
    "scaled_gd": ("tong_ma_chi_2021",),
}


@dataclass(frozen=True, eq=False, repr=False)
class RobustPCAResult(Result):
    """``M ≈ U @ diag(s) @ Vh + S``; as an operator (``result @ x``) and by ``full()`` the low-rank part.

    ``S`` is sparse and computed on first access; `rows`, `columns` and `values` are its entries.
    """

    U: Any
    s: Any
    Vh: Any
    info: Info
    places: Any = None
    rows: Any = None
    columns: Any = None
    values: Any = None

    _unpack = ("U", "s", "Vh", "S")

    @property
    def __references__(self):
        return _SOURCES.get(self.info.method, ())

    def __lowrank_operator__(self):
        return LowRank(self.U, self.s, self.Vh)

    @cached_property
    def S(self):
        """The sparse part (m, n), of the sparse library that goes with the data; an operator where there is none."""
        rows, columns, values = self._entries
        return sparse_matrix(rows, columns, values, (self.U.shape[0], self.Vh.shape[1]))

    @cached_property
    def _entries(self):
        return (self.rows, self.columns, self.values) if self.places is None else self.places()

    def save(self, path):
        """As `Result.save`, with the entries of the sparse part, which is computed for it."""
        if self.places is None:
            super().save(path)
        else:
            self._settled().save(path)

    def __getstate__(self):
        state = self._settled()
        return {f.name: getattr(state, f.name) for f in fields(state)}

    def _settled(self):
        """The same with the entries of the sparse part in place of the way to compute them."""
        if self.places is None:
            return self
        rows, columns, values = self._entries
        return replace(self, places=None, rows=rows, columns=columns, values=values)

    def __getitem__(self, index):
        names = self._unpack[index]
        return getattr(self, names) if isinstance(names, str) else tuple(getattr(self, name) for name in names)

    def __repr__(self):
        known = ", ".join(f"{f.name}: {tuple(getattr(self, f.name).shape)}" for f in fields(self)[:3])
        error = "unknown" if self.info.error is None else f"{self.info.error:.3g} ({self.info.error_kind})"
        return f"RobustPCAResult({known}, error {error}, method {self.info.method!r})"


def orthonormal(outcome):
    """The outcome with orthonormal factors, which vanishing singular values may have cost."""
    U, s, V = outcome.U, outcome.s, outcome.V
    xp = be.namespace(s)
    eye = xp.eye(s.shape[0], dtype=U.dtype, device=be.device(U))
    limit = _ROUNDING * s.shape[0] * be.eps(s.dtype)
    if max(be.fro_norm(be.gram(Q) - eye) for Q in (U, V)) <= limit:
        return outcome
    U, s, V = product_svd(U * xp.astype(s, U.dtype)[None, :], V)
    return replace(outcome, U=U, s=s, V=V)


def sparse_matrix(rows, columns, values, shape):
    """Sparse matrix of the library of `values` from entries by rows."""
    xp = be.namespace(values)
    if be.kind(xp) == "numpy":
        from scipy.sparse import csr_array

        pointers = np.zeros(shape[0] + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=shape[0]), out=pointers[1:])
        small = np.int32 if max(*shape, rows.shape[0]) < 2**31 - 1 else np.int64
        return csr_array((values, columns.astype(small), pointers.astype(small)), shape=shape)
    host = np.searchsorted(be.to_numpy(rows), np.arange(shape[0] + 1), side="left")
    pointers = be.index_array(host, rows.shape[0] + 1, xp, be.device(values))
    pointers = xp.astype(pointers, columns.dtype, copy=False)
    csr = be.csr_of(values, columns, pointers, shape)
    return SparseOperator.of_csr(csr) if csr.native is None else csr.native


def outliers(data: Data, outcome, factor):
    """Function of nothing that gives the entries of the sparse part by rows: places and values."""

    def entries():
        with be.single_blas():
            found = data.swept(lambda _, panels: [_beyond(data, outcome, part) for part in panels])
        parts = [part for group in found for part in group]
        rows, columns, values = (x[0] if len(x) == 1 else data.xp.concat(list(x)) for x in zip(*parts, strict=True))
        return rows, columns, values * factor

    return entries


def _beyond(data, outcome, part):
    xp, dtype = data.xp, data.dtype
    product = (outcome.U[part, :] * xp.astype(outcome.s, dtype)[None, :]) @ be.mH(outcome.V)
    gap = data.matrix[part, :] - product
    size = xp.abs(gap)
    beyond = size > outcome.limit
    if data.known is not None:
        beyond = beyond & data.known[part, :]
    rows, columns = be.true_places(beyond, xp)
    values = entries_of(gap, rows, columns)
    return rows + part.start, columns, values
