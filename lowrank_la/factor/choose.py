"""The cost model behind ``method="auto"``.

Costs are floating-point operations of one kind, matrix products; what runs slower is weighted. The weights were
measured on two cores (see `benchmarks/bench_factor.py`) and only decide between methods that are all correct.

=========  ==============================================================================================
dense      6·(2mn² + 4n³)             LAPACK on the shorter side n, thin factors
gram       mn² + eigen + 8mnk         Gram matrix, leading eigenvectors, one unsquared pass, one residual; the first
                                      two count 0.6 where single precision may be tried
krylov     4mnD + 6(m+n)D² + 40D³     D basis columns, and 1e8 a step; D predicted from ``A Ω`` on some rows
hermitian  2mnD + 6nD²                block Lanczos, where a square `A` equals its adjoint to rounding
fused      always, on sparse and implicit operators whose shorter side exceeds 4 (rank + oversample)
=========  ==============================================================================================
"""

import math
from dataclasses import replace

from .. import _backend as be
from ..operators import as_operator
from . import single
from .hermitian import asymmetry
from .krylov import block_width, first_image
from .rangefinder import starting_columns

_DENSE_WEIGHT = 6.0
_EIGEN_WEIGHT = 12.0
_SINGLE_WEIGHT = 0.6
_CORE_WEIGHT = 40.0
_STEP_OVERHEAD = 1e8
_PESSIMISM = 1.5
_PROBE_COLUMNS = 32
_PROBE_FROM = 3e9
_PROBE_ROWS = 1000
_WHOLE_UP_TO = 3
_ROUNDING = 1e-13
_SMALL_SIDE = 96
_LONGEST_GRAM = 1200


def choose(A, request):
    """``(name of the cheapest method, request)``; the request keeps what was computed to find out."""
    name, image = _cheapest(A, request)
    return name, request if image is None else replace(request, image=image)


def _cheapest(A, request):
    m, n = max(A.shape), min(A.shape)
    dense, entries = A.has("array"), A.has("gram")
    if request.tol is not None:
        return _choose_for_tolerance(A, request, m, n), None
    gram, least = _gram_cost(A, m, n, request), _krylov_least(m, n, request)
    if dense and (n <= _SMALL_SIDE or _dense_cost(m, n) <= min(gram, least)):
        return "dense", None
    if m == n and n > _SMALL_SIDE and asymmetry(A, request.key) <= 10 * be.eps(A.dtype):
        return "hermitian", None
    if not entries:
        return "gram" if n <= 4 * (request.rank + request.oversample) else "fused", None
    if gram <= max(least, _PROBE_FROM):
        return "gram", None
    width = block_width(A, request)
    stride = max(1, A.shape[0] // max(_PROBE_ROWS, 8 * width))
    image = first_image(A, width, request) if stride <= _WHOLE_UP_TO else None
    probe = _probe(A, request, stride) if image is None else image
    columns = _predicted_columns(probe, request)
    return "gram" if gram < _krylov_cost(m, n, columns, width) else "krylov", image


def _probe(A, request, stride):
    """``A Ω`` on evenly spread rows, few enough to cost little, with the spectrum's decay still in them."""
    columns = starting_columns(A, min(_PROBE_COLUMNS, *A.shape), request)
    rows = A.array[::stride, :] if A.has("array") else A.take_rows(range(0, A.shape[0], stride))
    return as_operator(rows).matmat(columns)


def _choose_for_tolerance(A, request, m, n):
    """Tolerances ask for the whole spectrum above the cut: Gram where it can see that far and the side is short."""
    if not A.has("gram") or n > _LONGEST_GRAM:
        return "krylov"
    if n <= 4 * _SMALL_SIDE and A.has("array"):
        return "dense"
    return (
        "gram" if request.tol > 1e3 * be.eps(A.dtype) ** 0.5 and _full_gram_cost(m, n) < _dense_cost(m, n) else "krylov"
    )


def _dense_cost(m, n):
    return _DENSE_WEIGHT * (2.0 * m * n**2 + 4.0 * n**3)


def _gram_cost(A, m, n, request):
    weight = _SINGLE_WEIGHT if n > 700 and single.admits(A, request) else 1.0
    iterated = weight * (6.0 * n**2 * 6 * request.rank + 8.0 * n * (6 * request.rank) ** 2)
    eigen = _EIGEN_WEIGHT * n**3 if n <= 700 else iterated
    return weight * m * n**2 + eigen + 8.0 * m * n * request.rank


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
    squares = _squared_values(probe)
    width, rank = len(squares), request.rank
    early, late = width // 2, 7 * width // 8
    if late <= early or squares[late] <= _ROUNDING * squares[0]:
        return rank + width
    values = squares[: late + 1] ** 0.5
    exponent = math.log(values[early] / values[late]) / math.log((late + 1) / (early + 1))
    contrast = (1.0 + width / rank) ** exponent
    steps = _PESSIMISM * math.log(2.0 / request.accuracy) / (2.0 * math.acosh(max(contrast, 1.0 + 1e-6)))
    return rank + width * steps


def _squared_values(M):
    """Squared singular values of a tall block, descending, on the host; the small ones to rounding of the largest."""
    if be.is_double(M.dtype):
        return be.to_numpy(be.small_eigh(be.gram(M))[0])[::-1].astype(float)
    return be.to_numpy(be.small_svd(be.householder_qr(M)[1])[1]).astype(float) ** 2
