"""The posterior of a functional Tucker model, and its predictions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _backend as be
from ..results import Info, Result
from .core_models import FullCore, Superdiagonal
from .gp_modes import Posterior, Process, at
from .scattered import distinct, gathered_columns, read_coordinates


@dataclass(frozen=True, eq=False, repr=False)
class FunctionalTuckerResult(Result):
    """Posterior of a functional Tucker model; ``predict`` gives mean and standard deviation anywhere.

    Attributes
    ----------
    core : array, shape (R_1, …, R_K), or (R,) ones
        Posterior mean of the core; a superdiagonal core is fixed.
    factors : tuple of arrays, shapes (D_k, R_k)
        Posterior means of the functions of each mode at its nodes.
    nodes : tuple of arrays, shapes (D_k,)
        The distinct coordinates of the data, ascending.
    core_covariance : array, shape (∏R_k, ∏R_k), or (0, 0)
    length_scales, variances : NumPy arrays, shape (K,)
        Of the processes, tuned or given.
    noise : float
        Standard deviation of the noise, tuned or given.
    smoothness : float
    filtered, filtered_covariances, slopes, bends : tuples of arrays
        States of the processes from which `predict` reaches places between the nodes.
    offset : float
        What is added to predictions: the mean of the values where they were centred, else zero.
    info : Info
    """

    core: Any
    factors: tuple
    nodes: tuple
    core_covariance: Any
    length_scales: Any
    variances: Any
    noise: float
    smoothness: float
    dtype_name: str
    filtered: tuple
    filtered_covariances: tuple
    slopes: tuple
    bends: tuple
    offset: float
    info: Info

    _unpack = ("core", "factors")
    __references__ = ("fang_yu_wang_li_kirby_zhe_2024", "hartikainen_sarkka_2010", "bierman_1973")

    @property
    def shape(self):
        """Numbers of nodes of the modes."""
        return tuple(int(nodes.shape[0]) for nodes in self.nodes)

    @property
    def ranks(self):
        """Numbers of functions of the modes."""
        return tuple(int(factor.shape[1]) for factor in self.factors)

    @cached_property
    def _model(self):
        if self.core_covariance.shape[0] == 0:
            return Superdiagonal(self.ranks)
        xp = be.namespace(self.core)
        return FullCore(self.ranks, xp.reshape(self.core, (-1,)), self.core_covariance, 1.0)

    def predict(self, coords):
        """Mean and standard deviation of the function, without the noise.

        Parameters
        ----------
        coords : array, shape (p, K)
            Anywhere, also outside the range of the data, where the functions of that mode return to zero.

        Returns
        -------
        mean, std : arrays, shape (p,)
            In the dtype of the values that were fitted; ``hypot(std, noise)`` is for new data.

        Notes
        -----
        Exact under the posterior found: a place is an unobserved state between its neighbours. Cost
        ``O(p Σ (s R_k)³ + p ∏R_k²)`` for s state components.
        """
        xp = be.namespace(self.core)
        coords = read_coordinates(coords, len(self.nodes), self.nodes[0])
        with be.single_blas():
            moments = [self.functions(k, coords[:, k]) for k in range(len(self.nodes))]
            mean, variance = self._model.predicted(moments)
            mean = mean + self.offset if self.offset else mean
        std = xp.sqrt(xp.clip(variance, 0.0, None))
        dtype = getattr(xp, self.dtype_name) if be.kind(xp) != "numpy" else np.dtype(self.dtype_name)
        return xp.astype(mean, dtype, copy=False), xp.astype(std, dtype, copy=False)

    def functions(self, axis, places):
        """Posterior mean (p, R) and covariance (p, R, R) of the functions of one mode at `places` (p,)."""
        axis = be.check_count("axis", axis, 0, len(self.nodes) - 1)
        nodes = self.nodes[axis]
        process = Process(nodes, self.smoothness, float(self.length_scales[axis]), float(self.variances[axis]))
        states = (self.filtered[axis], self.filtered_covariances[axis], self.slopes[axis], self.bends[axis])
        posterior = Posterior(None, None, *states, 0.0)
        places = read_coordinates(places, 1, nodes)[:, 0]
        if places.shape[0] == 0:
            xp, R = be.namespace(nodes), self.ranks[axis]
            return tuple(xp.zeros((0, *tail), dtype=nodes.dtype, device=be.device(nodes)) for tail in ((R,), (R, R)))
        places, index = distinct(places)
        return gathered_columns(at(process, posterior, places, self.ranks[axis]), index)
