"""One mode of a functional Tucker model: joint Gaussian processes at the distinct coordinates of the data."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _backend as be
from . import chebyshev, matern

_STEP = 0.1  # of the logarithms, in the differences that tell the slope and the curvature of the evidence
_LONGEST_MOVE = 0.7
_HALVINGS = 3
_SHORTEST, _LONGEST = 1e-3, 10.0  # length scales relative to the range of the coordinates


@dataclass(frozen=True)
class Posterior:
    """Processes of one mode given Gaussian factors at its nodes.

    `mean` (D, R) and `spread` (D, R, R) are moments at the nodes, `divergence` is the Kullback-Leibler divergence from
    the prior. The other four lead to places between the nodes (see `at`).
    """

    mean: Any
    spread: Any
    filtered_mean: Any
    filtered_covariance: Any
    slope: Any
    bend: Any
    divergence: float


@dataclass(frozen=True)
class Process:
    """The prior of a mode: R independent Matérn processes of one length scale and variance, seen at ascending nodes."""

    nodes: Any
    smoothness: float
    length_scale: float
    variance: float

    def evidence(self, precision, shift):
        """Log of the prior expectation of ``∏ exp(shift·u - u·precision·u / 2)`` over the nodes."""
        return self._filter(precision, shift).evidence

    def condition(self, precision, shift):
        """`Posterior` under these factors."""
        filtered = self._filter(precision, shift)
        found, mean, covariance = be.smooth_states(filtered, shift)
        xp = be.namespace(shift)
        linear = xp.sum(shift * found.values)
        second = found.spread + found.values[:, :, None] * found.values[:, None, :]
        divergence = float(linear - 0.5 * xp.sum(precision * second)) - filtered.evidence
        return Posterior(found.values, found.spread, mean, covariance, found.slope, found.bend, divergence)

    def _filter(self, precision, shift):
        A, Q = matern.chain(self.smoothness, self.length_scale, self.variance, self.nodes)
        return be.filter_states(A, Q, precision, shift)

    def tuned(self, precision, shift, tunes):
        """The process with the evidence of these factors raised, by one guarded Newton step in each logarithm.

        `tunes` names the parameters among "length_scale" and "variance" that may move.
        """
        process, value = self, None
        for name in tunes:
            value = process.evidence(precision, shift) if value is None else value
            process, value = process._raised(name, value, precision, shift)
        return process

    def _raised(self, name, value, precision, shift):
        def moved(amount):
            trial = replace(self, **{name: self._bounded(name, getattr(self, name) * math.exp(amount))})
            return trial, trial.evidence(precision, shift)

        (above, up), (below, down) = moved(_STEP), moved(-_STEP)
        slope, curvature = (up - down) / (2 * _STEP), (up - 2 * value + down) / _STEP**2
        move = -slope / curvature if curvature < 0 else math.copysign(_LONGEST_MOVE, slope)
        move = max(-_LONGEST_MOVE, min(_LONGEST_MOVE, move))
        candidates = [(self, value), (above, up), (below, down)]
        for _ in range(_HALVINGS):
            candidates.append(moved(move))
            if candidates[-1][1] > value:
                break
            move /= 4.0
        return max(candidates, key=lambda pair: pair[1])

    def _bounded(self, name, value):
        if name != "length_scale" or self.nodes.shape[0] == 1:
            return value
        reach = float(self.nodes[-1]) - float(self.nodes[0])
        return max(_SHORTEST * reach, min(_LONGEST * reach, value))


def at(process, posterior, places, channels):
    """Mean (p, R) and covariance (p, R, R) of the `channels` processes at ascending or unordered `places` (p,).

    Exact: the state filtered at the node before is predicted to the place, the adjoint state of the node after is taken
    back to it, and both meet there, as if the place had been a node without data.
    """
    nodes, xp, device = process.nodes, be.namespace(places), be.device(places)
    D = nodes.shape[0]
    after = np.searchsorted(be.to_numpy(nodes), be.to_numpy(places), side="right")  # nodes at or before the place
    before, following = (be.index_array(np.clip(i, 0, D - 1), D, xp, device) for i in (after - 1, after))
    started, ended = (chebyshev.like(known.astype(float), places) for known in (after > 0, after < D))
    ahead = xp.clip(places - xp.take(nodes, before, axis=0), 0.0, None)
    A = (
        _on_channels(matern.transitions(process.smoothness, process.length_scale, ahead), channels)
        * started[:, None, None]
    )
    P0 = matern.stationary(process.smoothness, process.variance, places)
    Q = _on_channels(P0[None, :, :] + 0.0 * ahead[:, None, None], channels)
    m = _times(A, xp.take(posterior.filtered_mean, before, axis=0))
    whole = xp.matmul(xp.matmul(A, xp.take(posterior.filtered_covariance, before, axis=0) - Q), A.mT) + Q
    back = xp.clip(xp.take(nodes, following, axis=0) - places, 0.0, None)
    A = (
        _on_channels(matern.transitions(process.smoothness, process.length_scale, back), channels)
        * ended[:, None, None]
    )
    slope = _times(A.mT, xp.take(posterior.slope, following, axis=0))
    bend = xp.matmul(xp.matmul(A.mT, xp.take(posterior.bend, following, axis=0)), A)
    top = whole[:, :channels, :]
    spread = top[:, :, :channels] - xp.matmul(xp.matmul(top, bend), top.mT)
    return m[:, :channels] - _times(top, slope), 0.5 * (spread + spread.mT)


def _times(A, x):
    return be.namespace(A).matmul(A, x[:, :, None])[:, :, 0]


def _on_channels(A, channels):
    """Matrices (p, s, s) of one process as those (p, sR, sR) of all channels."""
    xp = be.namespace(A)
    eye = xp.eye(channels, dtype=A.dtype, device=be.device(A))
    p, s = A.shape[0], A.shape[1]
    return xp.reshape(A[:, :, None, :, None] * eye[None, None, :, None, :], (p, s * channels, s * channels))
