"""Gradients for torch: of linear functions, and of a truncated singular value decomposition.

The factors are computed without a graph and a node with the exact backward rule is put behind them. What the factors
owe to the discarded part of the spectrum is solved for by conjugate gradients, with products of `A` alone.
"""

from functools import lru_cache

import array_api_compat

_MAX_STEPS = 2000


def detached(A):
    """`A` without its autograd graph."""
    return A.detach() if array_api_compat.is_torch_array(A) else A


def is_tracked(A):
    """Whether gradients with respect to `A` are being recorded, or it carries a tangent of forward mode."""
    if not array_api_compat.is_torch_array(A):
        return False
    import torch

    if A.requires_grad and torch.is_grad_enabled():
        return True
    return torch.autograd.forward_ad.unpack_dual(A).tangent is not None


def is_wrapped(A):
    """Whether `A` is a tensor inside a transform of torch.func or a batch of gradients, whose memory can't be read."""
    if not array_api_compat.is_torch_array(A):
        return False
    import torch

    return torch._C._functorch.is_functorch_wrapped_tensor(A)


def is_traced(A):
    """Whether operations on the tensor `A` are being recorded or watched, so that its memory must not be looked at."""
    if not array_api_compat.is_torch_array(A):
        return False
    import torch

    return torch.jit.is_tracing() or torch._C._len_torch_dispatch_stack() > 0


def require_untracked(A, name, argument="A"):
    """TypeError where gradients with respect to `argument` are recorded, which the function `name` has not."""
    if is_tracked(A):
        other = ", or use svd, which has" if argument == "A" else ""
        raise TypeError(f"{name} has no gradients: pass {argument}.detach() or call it under torch.no_grad(){other}")


def attach_linear(x, forward, adjoint):
    """``forward(x)`` for a linear function of the tensor `x`, given its adjoint: differentiable any number of times.

    Both also take batches, along a new first axis, so that `x` may come from torch.func.
    """
    return _linear_node().apply(x, forward, adjoint)


@lru_cache(maxsize=1)
def _linear_node():
    import torch

    class Linear(torch.autograd.Function):
        @staticmethod
        def forward(x, forward, adjoint):  # noqa: ARG004  the adjoint is for `setup_context`
            if torch._C._functorch.is_legacy_batchedtensor(x):
                raise TypeError(
                    "gradients can't be batched by torch.autograd here (is_grads_batched=True, vectorize=True): "
                    "use torch.func (vmap, jacrev, jacfwd), or take one gradient at a time"
                )
            return forward(x.detach())

        @staticmethod
        def setup_context(ctx, inputs, output):  # noqa: ARG004  torch names them so
            _, ctx.forward_map, ctx.adjoint = inputs

        @staticmethod
        def backward(ctx, gradient):
            return attach_linear(gradient, ctx.adjoint, ctx.forward_map), None, None

        @staticmethod
        def jvp(ctx, tangent, *_):
            return attach_linear(tangent, ctx.forward_map, ctx.adjoint)

        @staticmethod
        def vmap(info, in_dims, x, forward, adjoint):  # noqa: ARG004  torch gives it
            return attach_linear(x.movedim(in_dims[0], 0), forward, adjoint), 0

    return Linear


def attach_svd(A, op, U, s, Vh, project):
    """``U, s, Vh`` as differentiable functions of the tensor `A`.

    Parameters
    ----------
    op : LinearOperator
        Products with the matrix that was decomposed.
    project : callable
        Maps a gradient with respect to the decomposed matrix to one with respect to `A`.
    """
    return _node().apply(A, op, U, s, Vh, project)


@lru_cache(maxsize=1)
def _node():
    import torch

    class TruncatedSVD(torch.autograd.Function):
        @staticmethod
        def forward(ctx, A, op, U, s, Vh, project):  # noqa: ARG004  A is what gradients flow to
            ctx.op, ctx.project = op, project
            ctx.save_for_backward(U, s, Vh)
            return U.clone(), s.clone(), Vh.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, gU, gs, gVh):
            gradient = _gradient(torch, ctx.op, ctx.saved_tensors, (gU, gs, gVh))
            return ctx.project(gradient), None, None, None, None, None

        @staticmethod
        def jvp(ctx, *tangents):  # noqa: ARG004  torch gives them
            raise TypeError(
                "svd has gradients in backward mode only: pass A.detach(), or take them with torch.autograd.grad"
            )

    return TruncatedSVD


def _gradient(torch, op, factors, gradients):
    (U, s, Vh), (gU, gs, gVh) = factors, gradients
    U, V = U.to(op.dtype), Vh.mH.to(op.dtype)
    s = s.to(U.real.dtype)
    core = torch.diag(gs.to(s.dtype)).to(U.dtype) if gs is not None else torch.zeros((len(s), len(s)), dtype=U.dtype)
    core = core.to(U.device)
    if not _any(gU) and not _any(gVh):
        return U @ core @ V.mH
    gU = torch.zeros_like(U) if gU is None else gU.to(U.dtype)
    gV = torch.zeros_like(V) if gVh is None else gVh.mH.to(U.dtype)
    left, right = U.mH @ gU, V.mH @ gV
    F = _spread(torch, s)
    J, K = F * left, F * right
    core = core + (J + J.mH) * s + s[:, None] * (K + K.mH)
    if U.is_complex():
        core = core + torch.diag(_phase_part(left, right) / s)
    x, y = _discarded(torch, op, U, s, V, gU - U @ left, gV - V @ right)
    return U @ core @ V.mH + x @ V.mH + U @ y.mH


def _any(g):
    return g is not None and bool((g != 0).any())


def _spread(torch, s):
    """``1 / (s_j² - s_i²)`` off the diagonal; refuses a spectrum that is not simple."""
    gap = (s[None, :] - s[:, None]) * (s[None, :] + s[:, None])
    gap.fill_diagonal_(float("inf"))
    least = torch.finfo(s.dtype).eps ** 0.75 * s[0] ** 2
    if bool((gap.abs() < least).any()) or float(s[-1]) ** 2 < float(least):
        raise RuntimeError(
            "gradients through singular vectors need distinct, nonzero singular values; "
            "some of these coincide or vanish: use the gradient through s alone, or a smaller rank"
        )
    return 1.0 / gap


def _phase_part(left, right):
    turned = (left.diagonal() + right.diagonal()).imag
    size = float(left.abs().max() + right.abs().max())
    if float(turned.abs().max()) > 1e-3 * max(size, 1e-30):
        raise RuntimeError(
            "the loss depends on the phase of complex singular vectors, which is arbitrary; make it invariant"
        )
    return 1j * left.diagonal().imag


def _discarded(torch, op, U, s, V, gU, gV):
    """Solve ``[s I, -A⊥; -A⊥ᴴ, s I] [x; y] = [gU; gV]`` column by column, ``A⊥`` the discarded part."""

    def outside(Q, X):
        return X - Q @ (Q.mH @ X)

    def apply(Y):
        return outside(U, op.matmat(outside(V, Y)))

    def adjoint(X):
        return outside(V, op.rmatmat(outside(U, X)))

    rhs = s * gV + adjoint(gU)
    least = 100 * torch.finfo(s.dtype).eps * s**2
    y = _conjugate_gradients(torch, lambda Y: s**2 * Y - adjoint(apply(Y)), rhs, least)
    return (gU + apply(y)) / s, y


def _conjugate_gradients(torch, apply, rhs, least):
    x, r = torch.zeros_like(rhs), rhs.clone()
    p, rho = r, (r.abs() ** 2).sum(0)
    target = (10 * torch.finfo(rhs.real.dtype).eps) ** 2 * rho
    for _ in range(_MAX_STEPS):
        active = rho > target
        if not bool(active.any()):
            return x
        q = apply(p)
        curvature = (p.conj() * q).real.sum(0)
        if bool((curvature <= least * (p.abs() ** 2).sum(0))[active].any()):
            break
        step = torch.where(active, rho / torch.where(active, curvature, 1.0), 0.0)
        x, r = x + step * p, r - step * q
        fresh = (r.abs() ** 2).sum(0)
        p = r + torch.where(active, fresh / torch.where(active, rho, 1.0), 0.0) * p
        rho = fresh
    raise RuntimeError(
        "gradients through singular vectors need a gap between the last singular value kept and the first discarded; "
        "there is none to speak of: use the gradient through s alone, or another rank"
    )
