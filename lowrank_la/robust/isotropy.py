"""How far linear measurements are from seeing all matrices alike."""

from dataclasses import dataclass

from .. import _backend as be
from ..factor.tall_qr import orthonormalize

_LIMIT = 4.0  # times the edge: Gaussian arrays, entries and rank-one forms stay below 3, one sign gives 11 at 8×8
_FEW = 24  # free entries, below which the image of signs has no bulk to compare with
_POWER = 8  # steps: a direction that stands out by the limit is found to a few per cent
_PROBES = 32
_WIDTH = 16  # rank of the matrices that are tried, which are all of them up to that side


@dataclass(frozen=True)
class Spread:
    """The squared singular values of a measurement operator.

    Attributes
    ----------
    ratio : float
        The largest, from below, over the estimated mean; 0 for an operator that is zero.
    edge : float
        What the ratio is for a large random operator with independent entries, ``(1 + √(D/N))²`` for N measurements
        of matrices with D free entries.
    """

    ratio: float
    edge: float


def far_from_isotropic(task):
    """Why a verdict on values that are not met can't be trusted with these measurements; None where nothing is wrong.

    The schedule and the search for directions that are left over compare with the noise of isotropic measurements.
    """
    m, n = task.measurement.shape
    if min(m, n) > 1 and _free(task) < _FEW:
        return (
            f"most values are not met, and {m}×{n} is too small to tell whether directions are missing; compare with "
            f"preconditioned=True and optimum='median'"
        )
    found = spread(task)
    if found.ratio <= _LIMIT * found.edge:
        return None
    return (
        f"most values are not met, and the measurements are too far from isotropic to tell whether directions are "
        f"missing: the largest squared singular value is {found.ratio:.3g} times the mean one, {found.edge:.3g} for "
        f"random measurements; compare values in pairs, which takes out what the measurements have in common, bring "
        f"measurements, rows and columns to one size, or compare with preconditioned=True and optimum='median'"
    )


def spread(task):
    """`Spread` of the measurements of a task, on symmetric matrices where it is symmetric.

    Notes
    -----
    The largest comes from eight power steps ``X ← A*(A(X))`` on one random matrix of rank 16 at most, whose factors
    move in turn, so that nothing of the size of X is formed for structured measurements. The mean comes from the images
    of 32 Gaussian vectors: ``E ‖A*(z)‖² = Σ ‖A_i‖²``. 41 adjoints and 9 forward products altogether, twice as many
    forward where the matrices are symmetric.
    """
    free = _free(task)
    edge = (1.0 + (free / task.measurement.count) ** 0.5) ** 2
    mean = _mean(task, free)
    return Spread(_largest(task) / mean if mean > 0.0 else 0.0, edge)


def _free(task):
    """Entries of X that are free."""
    m, n = task.measurement.shape
    return n * (n + 1) / 2 if task.symmetric else m * n


def _mean(task, free):
    total = 0.0
    for place in range(_PROBES):
        weights = _drawn(task, f"weights {place}", task.measurement.count, 1)[:, 0]
        total += task.image(task.measurement.adjoint(weights)).norm ** 2
    return total / (_PROBES * free)


def _largest(task):
    m, n = task.measurement.shape
    width = min(m, n, _WIDTH)
    left, right = (_drawn(task, name, side, width) for name, side in (("left", m), ("right", n)))
    U, V, gain = left, orthonormalize(right)[0], 0.0
    for step in range(_POWER + 1):
        values = _forward(task, U, V)
        size, length = be.fro_norm(values), be.fro_norm(V if step % 2 else U)
        if size == 0.0 or length == 0.0:
            break
        gain = max(gain, (size / length) ** 2)
        image = task.image(task.measurement.adjoint(values / size))
        if step % 2:
            V = orthonormalize(V)[0]
            U = image.times(V)
        else:
            U = orthonormalize(U)[0]
            V = image.adjoint_times(U)
    return gain


def _forward(task, U, V):
    values = task.measurement.forward(U, V)
    return (values + task.measurement.forward(V, U)) / 2 if task.symmetric else values


def _drawn(task, name, rows, cols):
    y, key = task.y, task.key.child("isotropy").child(name)
    return be.gaussian(key, slice(0, rows), slice(0, cols), be.dtype_name(y.dtype), be.namespace(y), be.device(y))
