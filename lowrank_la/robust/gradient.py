"""Gradient descent on the factors, for the sum of squared residuals."""

from dataclasses import replace

from .. import _backend as be
from .factors import product_svd
from .scales import first_limit, limit_of, scales_of
from .sizes import mostly_fitted, within
from .subgradient import Found, doubt_truncation, emerged, parameters

_STEP = 0.1  # relative to the largest singular value of the answer
_SCALED_STEP = 0.5
_FITTED = 0.15  # relative residual at which factors are rebalanced
_REBALANCED_STEP = 0.4  # times β²
_SHORTER = 8  # times that a step may be halved
_WINDOW = 20
_FLOOR = 64.0
_IMBALANCE = 3.0  # between the two small starts
_SLOWLY = 0.97  # by how much the limit of residuals that count may fall in a step
_INDEFINITE = "the data belong to no positive semidefinite matrix of that rank"
_NEGLIGIBLE = 1e-7  # singular values beside the largest that don't count as rank, times ten
_INEXACT = "the loss no longer falls, and noise hides whether values that are off remain within `truncate` medians"


class Descent:
    """One call: the gradient in units in which A*A is near the identity, the losses, and when to stop.

    Attributes
    ----------
    task : Task
    scales : Scales
    step : float
        Relative to the largest singular value.
    shortened : float
        What halvings have left of the steps.
    """

    def __init__(self, task, scales, tol, watch, step, shortened=1.0):
        self.shortened = shortened
        self.task, self.scales, self.tol, self.watch = task, scales, tol, watch
        self.step, self.history, self.reason, self.converged = step, [], "", None
        self.size, self.limit, self.share = be.fro_norm(task.y), 0.0, 1.0

    def gradient(self, U, V):
        """The image E of the residual; the relative residual is the last of `history`."""
        gain, task = self.scales.gain, self.task
        if task.truncate is None:
            z, image = task.residual_image(U, V, lambda z: z / gain / gain)
        else:
            z = task.measurement.forward(U, V) - task.y
            image = task.image(task.measurement.adjoint(self._truncated(z) / gain / gain))
        self.history.append(be.fro_norm(z) / self.size)
        return image

    def _truncated(self, z):
        """The residuals that count.

        The limit falls slowly, since otherwise those that are met first make it so small that the others never count.
        """
        self.limit = max(limit_of(self.task, z), _SLOWLY * (self.limit or first_limit(self.task)))
        weights = within(z, self.limit)
        self.share = float(be.namespace(z).sum(weights)) / z.shape[0]
        return z * weights

    @property
    def residual(self):
        """Relative residual of the factors that the last gradient belongs to."""
        return self.history[-1]

    @property
    def diverged(self):
        """Whether the loss has grown out of bounds."""
        return not self.residual < 10.0 * max(1.0, self.history[0])

    def over(self):
        """Whether to stop, by the loss, the limit or the callback."""
        if self.watch.tick(residual=self.residual):
            self.converged, self.reason = (None if self.tol == 0.0 else False), self.watch.reason
        elif self.tol > 0.0:
            self._judge()
        return bool(self.reason)

    def judge_truncation(self, U, V):
        """Take back the verdict where what was left out looks like a part of the answer, or may be one."""
        task = self.task
        s, z = product_svd(U, V)[1], task.measurement.forward(U, V) - task.y
        doubt = doubt_truncation(task, z, float(s[0]), emerged(s, _NEGLIGIBLE))
        if doubt:
            self.converged, self.reason = False, doubt
        elif not mostly_fitted(z, task.y):
            self.converged, self.reason = None, _INEXACT

    def _judge(self):
        if self.residual <= _FLOOR * be.eps(self.task.y.dtype):
            self.converged, self.reason = True, "the measurements are met to rounding"
        elif len(self.history) > _WINDOW and self.settled:
            before, now = self.history[-1 - _WINDOW] ** 2, self.residual**2
            if before - now <= _WINDOW * self.tol * now:
                self.converged, self.reason = True, "the loss no longer falls"

    @property
    def settled(self):
        """Whether the start is left behind: the residual has fallen by a tenth, or hardly anything can be fitted."""
        return self.residual < 0.9 * self.history[0] or len(self.history) > 50 * _WINDOW


def descend(task, method, init_scale, tol, watch):
    """Run one of the methods, with halved steps where it diverges.

    Pairs of factors are fitted to the measurements as they are, and the symmetric part is taken at the end: where
    measurements see the symmetric part alone, both factors of a pair would be one, and slow.
    """
    given, scales = task, scales_of(task)
    if task.symmetric and method in _PAIRED:
        if sees_symmetric_part_alone(task):
            method = "symmetric"
        else:
            task = replace(task, symmetric=False)
    if scales is None:
        U, V = task.zero()
        return Found(U, V, False, "the image of the data is zero")
    step = _SCALED_STEP if method == "scaled_gradient" else _STEP
    history = []
    for halvings in range(_SHORTER):
        run = Descent(task, scales, tol, watch, step, 2.0**-halvings)
        U, V = _METHODS[method](run, init_scale)
        history += run.history
        if not run.diverged or watch.over:
            break
        step /= 2
    if run.diverged:
        run.converged, run.reason = False, "the steps diverge at any length"
    if run.converged and task.truncate is not None:
        run.judge_truncation(U, V)
    if run.converged:
        rank = emerged(product_svd(U, V)[1], _NEGLIGIBLE)
        if task.y.shape[0] < parameters(task, rank):
            run.converged = False
            run.reason = f"fewer measurements than a matrix of rank {rank}, the rank found, has parameters"
    if given.symmetric and method in _PAIRED:
        U = V = _symmetric_factor(U, V, task.rank)
        z = task.measurement.forward(U, V) - task.y
        residual = be.fro_norm(z) / be.fro_norm(task.y)
        if run.converged and residual > 1.01 * run.residual + be.eps(task.y.dtype) ** 0.5:
            run.converged, run.reason = False, _INDEFINITE
    return Found(U, V, run.converged, run.reason, history, {"step": run.step, "gain": scales.gain}, method)


def _symmetric_factor(U, V, rank):
    """``U`` of the best positive semidefinite ``U Uᵀ`` of that rank for the symmetric part of ``U Vᵀ``."""
    xp = be.namespace(U)
    L, s, R = product_svd(xp.concat([U, V], axis=1), xp.concat([V, U], axis=1))
    core = be.matmul(be.matmul(L.mT, L * s[None, :]), be.matmul(R.mT, L)) / 2
    w, Q = be.small_eigh((core + core.mT) / 2)
    w, Q = xp.flip(w, axis=0)[:rank], xp.flip(Q, axis=1)[:, :rank]
    found = be.matmul(L, Q) * xp.sqrt(xp.maximum(w, xp.zeros_like(w)))[None, :]
    spare = rank - found.shape[1]
    if spare > 0:
        zeros = xp.zeros((found.shape[0], spare), dtype=found.dtype, device=be.device(found))
        found = xp.concat([found, zeros], axis=1)
    return found


def _random(run, init_scale, side, label):
    task, rows = run.task, run.task.measurement.shape[side]
    xp, device = be.namespace(task.y), be.device(task.y)
    block = be.gaussian(
        task.key.child(label), slice(0, rows), slice(0, task.rank), be.dtype_name(task.y.dtype), xp, device
    )  # fmt: skip
    return block * (init_scale * (run.scales.largest / rows) ** 0.5)


def _symmetric(run, init_scale):
    U, step = _random(run, init_scale, 0, "left"), run.step / run.scales.largest
    while True:
        image = run.gradient(U, U)
        if run.diverged or run.over():
            return U, U
        U = U - step * image.times(U)


def _asymmetric(run, init_scale):
    return _pair(run, init_scale, False)


def _rebalanced(run, init_scale):
    return _pair(run, init_scale, True)


def _pair(run, init_scale, rebalance):
    U, V = _random(run, init_scale, 0, "left"), _random(run, init_scale / _IMBALANCE, 1, "right")
    largest, pending = run.scales.largest, rebalance
    while True:
        image = run.gradient(U, V)
        if run.diverged or run.over():
            return U, V
        if pending and run.settled and (run.residual <= _FITTED or _stalled(run.history)):
            U, V, beta2 = rebalance_step(U, V, largest)
            run.step, pending = _REBALANCED_STEP * min(beta2 / largest, 1.0) * run.shortened, False
        step = run.step / largest
        U, V = U - step * image.times(V), V - step * image.adjoint_times(U)


def _stalled(history):
    return len(history) > _WINDOW and history[-1] > (1.0 - 1e-3) * history[-1 - _WINDOW]


def rebalance_step(U, V, largest):
    """``β P, V W S/β`` for ``U = P S Wᵀ``, and β²: the same product with equal columns on the left.

    β² is the last singular value of the product before its largest gap, at least a twentieth of `largest`.
    """
    values = [float(value) for value in product_svd(U, V)[1]]
    floor = largest / 20.0
    seen = [value for value in values if value >= floor] or values[:1]
    ratios = [a / max(b, floor / 10.0) for a, b in zip(seen, [*values[1:], 0.0], strict=False)]
    beta2 = max(seen[ratios.index(max(ratios))], floor)
    P, s, Wt = be.small_svd(U)
    beta = beta2**0.5
    return P * beta, be.matmul(V, Wt.mT) * (s / beta)[None, :], beta2


def _scaled(run, _):
    xp, scales = be.namespace(run.task.y), run.scales
    root = xp.sqrt(scales.values)[None, :]
    U, V = scales.left * root, scales.right * root
    while True:
        image = run.gradient(U, V)
        if run.diverged or run.over():
            return U, V
        damping = min(run.residual, 1.0) * scales.largest
        up = preconditioned(image.times(V), V, damping)
        if run.task.symmetric:
            U = U - run.step * up
            V = U
        else:
            U, V = U - run.step * up, V - run.step * preconditioned(image.adjoint_times(U), U, damping)


def preconditioned(G, V, damping):
    """``G (VᵀV + damping I)⁻¹``."""
    xp = be.namespace(V)
    w, Q = be.small_eigh(be.gram(V))
    tiny = be.eps(V.dtype) * float(w[-1])
    w = xp.maximum(w, xp.zeros_like(w)) + max(damping, tiny, float(xp.finfo(V.dtype).smallest_normal))
    return be.matmul(be.matmul(G, Q) / w[None, :], Q.mT)


def sees_symmetric_part_alone(task):
    """Whether a skew matrix measures zero."""
    n, y = task.measurement.shape[0], task.y
    if n < 2:
        return True
    xp, name = be.namespace(y), be.dtype_name(y.dtype)
    pair = be.gaussian(task.key.child("skew"), slice(0, n), slice(0, 2), name, xp, be.device(y))
    a, b = pair[:, :1], pair[:, 1:]
    skew = task.measurement.forward(xp.concat([a, b], axis=1), xp.concat([b, -a], axis=1))
    whole = task.measurement.forward(a, b)
    return be.fro_norm(skew) <= be.eps(y.dtype) ** 0.5 * be.fro_norm(whole)


_PAIRED = ("rebalanced", "asymmetric")
_METHODS = {
    "symmetric": _symmetric,
    "asymmetric": _asymmetric,
    "rebalanced": _rebalanced,
    "scaled_gradient": _scaled,
}
