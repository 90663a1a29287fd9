"""Where the proposals of a projection process come from: rows of a basis, or points of a continuous domain.

Both are drawn in proportion to leverage, independently of what has been accepted so far.
"""

from functools import cached_property

import numpy as np

from .. import _backend as be
from .._backend.sparse import writable_view
from .basis import row_squares
from .span import orthonormal_span

_GUIDED = 8  # rows a share of the guide table, on average


class RowProposals:
    """Rows of an orthonormal basis.

    Parameters
    ----------
    V : array, shape (n, k)
        Kept, not copied, where it is C-contiguous.

    Attributes
    ----------
    leverages : float64 NumPy array, shape (n,)
        Squared lengths of the rows, which sum to k up to rounding.
    """

    def __init__(self, V):
        self.xp, self.device = be.namespace(V), be.device(V)
        self.V = np.ascontiguousarray(V) if isinstance(V, np.ndarray) else V
        self.size, self.count = V.shape
        self.leverages = _leverages(self.V)
        self.cumulative = np.cumsum(self.leverages)
        self.work_dtype = np.dtype("complex128" if be.is_complex(V.dtype) else "float64")

    @property
    def on_host(self):
        """Whether a compiled kernel can read the rows."""
        return isinstance(self.V, np.ndarray)

    def kernel_arrays(self):
        """What `projection_draws` reads, kept alive by `self`: rows, leverages, their sums, a guide to these."""
        return writable_view(self.V), self.leverages, self.cumulative, self._guide

    @cached_property
    def _guide(self):
        shares = 1 << max(0, (self.size // _GUIDED).bit_length() - 1)
        return self.places(np.arange(shares + 1) / shares).astype(np.int32 if self.size < 1 << 31 else np.int64)

    def places(self, uniforms):
        """Row numbers in proportion to leverage, for uniform numbers in (0, 1]."""
        places = np.searchsorted(self.cumulative, uniforms * self.cumulative[-1])
        return np.minimum(places, self.size - 1)

    def propose(self, uniforms):
        """``places, rows, leverages`` for uniform numbers in (0, 1], on the host."""
        places = self.places(uniforms)
        return places, *self.rows(places)

    def rows(self, places):
        """Rows at `places` and their leverages, on the host in double precision."""
        index = host_to_indices(places, self.xp, self.device)
        return be.to_numpy(self.xp.take(self.V, index, axis=0)).astype(self.work_dtype), self.leverages[places]

    def decode(self, places):
        """Chosen places as an index array of the caller's library and device."""
        return host_to_indices(places, self.xp, self.device)


class PointProposals:
    """Points at which orthonormal functions are evaluated.

    Parameters
    ----------
    features : object
        Has ``count``, the number of functions, orthonormal for a probability measure; ``features(points)``, their
        values (p, count); and ``quantile(u)``, the points below which the mean squared function has mass u.
    """

    work_dtype = np.dtype("float64")
    on_host = False

    def __init__(self, features):
        self.features, self.count = features, features.count

    def places(self, uniforms):
        """Points in proportion to leverage, for uniform numbers in (0, 1]; a place holds the bits of its point."""
        return np.ascontiguousarray(self.features.quantile(uniforms), np.float64).view(np.int64)

    def propose(self, uniforms):
        """``places, rows, leverages`` for uniform numbers in (0, 1]."""
        places = self.places(uniforms)
        return places, *self.rows(places)

    def rows(self, places):
        """Values of the functions at `places` and their leverages."""
        rows = np.ascontiguousarray(self.features(self.decode(places)), np.float64)
        return rows, np.sum(rows**2, axis=1)

    def decode(self, places):
        """The points."""
        return places.view(np.float64)


def proposals_of(V, name):
    """`RowProposals` of the span of an array, or `PointProposals` of features."""
    if hasattr(V, "quantile") and callable(V) and not be.is_array(V):
        return PointProposals(V)
    return RowProposals(orthonormal_span(V, name)[0])


def _leverages(V):
    """Squared lengths of the rows, host float64."""
    parts = be.map_row_panels(lambda panel: row_squares(panel, wide=True), V)
    return be.to_numpy(parts[0] if len(parts) == 1 else be.namespace(V).concat(parts)).astype("float64")


def host_to_indices(places, xp, device):
    """Host integers of any shape as an index array of `xp` on `device`."""
    if be.kind(xp) == "numpy":
        return places
    dtype = xp.__array_namespace_info__().default_dtypes(device=device)["indexing"]
    return xp.asarray(places.astype(str(dtype).rsplit(".", 1)[-1]), dtype=dtype, device=device)
