"""Convolutions that follow each other in place of one."""

import math
from dataclasses import dataclass

from .. import _backend as be
from ..results import Info, Result


@dataclass(frozen=True, eq=False, repr=False)
class ConvResult(Result):
    """Kernels of convolutions that follow each other, in place of one; unpacks to them.

    Attributes
    ----------
    kernels : tuple of arrays
        In layer order, each (out, in/groups, kh, kw), of equal Frobenius norms. "tucker2": 1×1, kh×kw, 1×1. "cp": 1×1,
        kh×1 and 1×kw on each channel alone, 1×1.
    groups : tuple of int
        Groups of each convolution.
    given_groups : int
        Groups of the convolution that was decomposed.
    info : Info
    """

    kernels: tuple
    groups: tuple
    given_groups: int
    info: Info

    _unpack = ("kernels",)

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "groups", tuple(self.groups))

    def __iter__(self):
        return iter(self.kernels)

    def __len__(self):
        return len(self.kernels)

    @property
    def parameters(self):
        """Numbers in all kernels."""
        return sum(math.prod(kernel.shape) for kernel in self.kernels)

    @property
    def shape(self):
        """Shape of the weights that the kernels stand for."""
        kh, kw = (max(int(kernel.shape[axis]) for kernel in self.kernels) for axis in (2, 3))
        return (int(self.kernels[-1].shape[0]), int(self.kernels[0].shape[1]), kh, kw)

    def full(self):
        """The weights (out, in/groups, kh, kw) of the one convolution that does the same."""
        xp, given = be.namespace(*self.kernels), self.kernels[0].dtype
        dtype = be.compute_dtype(xp, given, be.device(self.kernels[0]))
        parts = [by_group(xp.astype(kernel, dtype, copy=False), self.given_groups) for kernel in self.kernels]
        chain = tucker_chain if len(parts) == 3 else cp_chain
        return xp.astype(
            xp.concat([chain(*of_group) for of_group in zip(*parts, strict=True)], axis=0), given, copy=False
        )

    def arguments(self, stride=1, padding=0, dilation=1):
        """What each convolution is called with, for the `stride`, `padding` and `dilation` of the one convolution.

        Returns
        -------
        list of dict
            ``stride``, ``padding`` and ``dilation`` as pairs (vertical, horizontal), and ``groups``; any bias goes to
            the last convolution.

        Raises
        ------
        ValueError, TypeError
            If an argument is no integer or pair of them, or too small; padding by name is to be told in numbers.
        """
        pairs = {
            "stride": _pair("stride", stride, 1),
            "padding": _pair("padding", padding, 0),
            "dilation": _pair("dilation", dilation, 1),
        }
        idle = {"stride": 1, "padding": 0, "dilation": 1}
        if len(self.kernels) == 3:
            seen = [(False, False), (True, True), (False, False)]
        else:
            seen = [(False, False), (True, False), (False, True), (False, False)]
        return [
            {
                name: tuple(value if at else idle[name] for at, value in zip(axes, pair, strict=True))
                for name, pair in pairs.items()
            }
            | {"groups": count}
            for axes, count in zip(seen, self.groups, strict=True)
        ]


def by_group(W, groups):
    """Weights of each group: output channels come group by group."""
    size = W.shape[0] // groups
    return [W[g * size : (g + 1) * size, ...] for g in range(groups)]


def tucker_chain(first, core, last):
    """One kernel in place of three: ``W[o, i] = Σ last[o, a] core[a, b] first[b, i]``."""
    xp = be.namespace(core)
    r_out, r_in, kh, kw = core.shape
    W = xp.matmul(first[:, :, 0, 0].mT, xp.reshape(core, (r_out, r_in, kh * kw)))
    W = be.matmul(last[:, :, 0, 0], xp.reshape(W, (r_out, -1)))
    return xp.reshape(W, (last.shape[0], first.shape[1], kh, kw))


def cp_chain(first, rows, columns, last):
    """One kernel in place of four."""
    xp = be.namespace(first)
    spatial = rows[:, 0, :, :] * columns[:, 0, :, :]
    inner = xp.reshape(first[:, :, 0, 0][:, :, None, None] * spatial[:, None, :, :], (first.shape[0], -1))
    return xp.reshape(be.matmul(last[:, :, 0, 0], inner), (last.shape[0], first.shape[1], *spatial.shape[1:]))


def _pair(name, value, least):
    """`value` as a pair (vertical, horizontal) of integers of at least `least`."""
    if isinstance(value, str):
        raise TypeError(f"{name} must be an integer or a pair (vertical, horizontal), got {value!r}; give the numbers")
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name} must be an integer or a pair (vertical, horizontal), got {value!r}")
    return tuple(be.check_count(name, one, least) for one in pair)
