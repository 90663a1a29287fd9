"""The cost model behind ``method="auto"``.

Costs are floating-point operations of one kind, matrix products; what runs slower is weighted. The weights were
measured on two cores (see `benchmarks/bench_factor.py`) and only decide between methods that are all correct.

=========  ==============================================================================================
dense      6·(2mn² + 4n³)             LAPACK on the shorter side n, thin factors
gram       mn² + eigen + 8mnk         Gram matrix, leading eigenvectors, one unsquared pass, one residual
krylov     4mnD + 6(m+n)D² + 40D³     D basis columns, and 1e8 a step; D predicted from ``A Ω`` on some rows
hermitian  2mnD + 6nD²                block Lanczos, where a square `A` equals its adjoint to rounding
fused      always, on sparse and implicit operators whose shorter side exceeds 4 (rank + oversample)
=========  ==============================================================================================
"""

import math

from .. import _backend as be
from ..operators import as_operator
from .hermitian import asymmetry
from .rangefinder import starting_columns

_DENSE_WEIGHT = 6.0
_EIGEN_WEIGHT = 12.0
_CORE_WEIGHT = 40.0
_STEP_OVERHEAD = 1e8
_PESSIMISM = 1.5
_PROBE_COLUMNS = 32
_PROBE_FROM = 3e9
_PROBE_ROWS = 1000
_SMALL_SIDE = 96
_LONGEST_GRAM = 1200


def choose(A, request):
    """Name of the cheapest method."""
    m, n = max(A.shape), min(A.shape)
    dense = A.has("array")
    if request.tol is not None:
        return _choose_for_tolerance(A, request, m, n)
    if dense and (
        n <= _SMALL_SIDE or _dense_cost(m, n) <= min(_gram_cost(m, n, request), _krylov_least(m, n, request))
    ):
        return "dense"
    if m == n and n > _SMALL_SIDE and asymmetry(A, request.key) <= 10 * be.eps(A.dtype):
        return "hermitian"
    if not dense:
        return "gram" if n <= 4 * (request.rank + request.oversample) else "fused"
    gram, least = _gram_cost(m, n, request), _krylov_least(m, n, request)
    if gram <= max(least, _PROBE_FROM):
        return "gram"
    columns = _predicted_columns(_probe(A, request), request)
    return "gram" if gram < _krylov_cost(m, n, columns, _PROBE_COLUMNS) else "krylov"


def _probe(A, request):
    """``A Ω`` on evenly spread rows, few enough to cost little, with the spectrum's decay still in them."""
    m, width = A.shape[0], min(_PROBE_COLUMNS, *A.shape)
    stride = max(1, m // max(_PROBE_ROWS, 8 * width))
    part = as_operator(A.take_rows(list(range(0, m, stride)))) if stride > 1 else A
    return part.matmat(starting_columns(A, width, request))


def _choose_for_tolerance(A, request, m, n):
    """Tolerances ask for the whole spectrum above the cut: Gram where it can see that far and the side is short."""
    if not A.has("array") or n > _LONGEST_GRAM:
        return "krylov"
    if n <= 4 * _SMALL_SIDE:
        return "dense"
    return (
        "gram" if request.tol > 1e3 * be.eps(A.dtype) ** 0.5 and _full_gram_cost(m, n) < _dense_cost(m, n) else "krylov"
    )


def _dense_cost(m, n):
    return _DENSE_WEIGHT * (2.0 * m * n**2 + 4.0 * n**3)


def _gram_cost(m, n, request):
    eigen = _EIGEN_WEIGHT * n**3 if n <= 700 else 6.0 * n**2 * 6 * request.rank + 8.0 * n * (6 * request.rank) ** 2
    return 1.0 * m * n**2 + eigen + 8.0 * m * n * request.rank


def _full_gram_cost(m, n):
    return 1.0 * m * n**2 + _EIGEN_WEIGHT * n**3


def _krylov_least(m, n, request):
    return _krylov_cost(m, n, 2.0 * (request.rank + request.oversample), 32)


def _krylov_cost(m, n, columns, width):
    core = _CORE_WEIGHT * columns**3 + _STEP_OVERHEAD * columns / width
    return 4.0 * m * n * columns + 6.0 * (m + n) * columns**2 + core


def _predicted_columns(probe, request):
    """Basis columns for convergence: Chebyshev growth across the decay that the probe ``A Ω`` shows.

    The decay over the later half of the probe is continued as a power law to the wanted rank, which
    errs towards slow convergence.
    """
    values = be.to_numpy(be.small_svd(be.householder_qr(probe)[1])[1]).astype(float)
    width, rank = len(values), request.rank
    early, late = width // 2, 7 * width // 8
    if late <= early or values[late] <= 1e-14 * values[0]:
        return rank + width
    exponent = math.log(values[early] / values[late]) / math.log((late + 1) / (early + 1))
    contrast = (1.0 + width / rank) ** exponent
    steps = _PESSIMISM * math.log(2.0 / request.accuracy) / (2.0 * math.acosh(max(contrast, 1.0 + 1e-6)))
    return rank + width * steps
