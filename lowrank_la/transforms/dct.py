"""Discrete cosine transform."""

import math

from .. import _backend as be


@be.supports(sparse=False, operators=False, autograd=True)
def dct(x, axis=-1, *, kind=2):
    r"""Orthonormal discrete cosine transform along an axis.

    Parameters
    ----------
    x : array
        Integers become floats, half precision is transformed in single precision.
    axis : int
    kind : {2, 3}
        ``y_k = c_k √(2/n) Σ x_j cos(π k (2j + 1) / 2n)`` with ``c_0 = 1/√2``, all others 1; or its inverse and
        transpose, 3.

    Returns
    -------
    array, shape of `x`
        In its namespace, dtype and device; gradients flow through it in torch.

    Notes
    -----
    One Fourier transform of the same length on numbers in another order [1]_.

    References
    ----------
    .. [1] makhoul_1980

    Examples
    --------
    >>> import numpy as np, lowrank_la as lr
    >>> lr.dct(np.ones(4)).round(12).tolist()
    [2.0, 0.0, 0.0, 0.0]
    """
    x = be.dense_array(x, "x")
    be.check_option("kind", kind, (2, 3))
    xp = be.namespace(x)
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, got a single number")
    place = be.check_count("axis", axis, -x.ndim, x.ndim - 1) % x.ndim
    if x.shape[place] == 0:
        raise ValueError(f"axis {axis} of x is empty; a transform has at least one number")
    dtype = be.compute_dtype(xp, x.dtype, be.device(x))
    moved = xp.moveaxis(xp.astype(x, dtype), place, -1)
    transform = _forward if kind == 2 else _inverse
    if be.is_complex(dtype):
        y = transform(xp.real(moved)) + 1j * transform(xp.imag(moved))
    else:
        y = transform(moved)
    y = xp.astype(y, x.dtype if be.is_half(x.dtype) else dtype)
    return xp.moveaxis(y, -1, place)


def _twiddles(x):
    """``exp(-iπk/2n)`` and the factors that make the transform orthonormal."""
    xp, n = be.namespace(x), x.shape[-1]
    k = xp.astype(xp.arange(n, device=be.device(x)), x.dtype)
    angle = k * (-math.pi / (2 * n))
    scale = xp.where(k == 0, xp.full_like(k, n**-0.5), xp.full_like(k, (2.0 / n) ** 0.5))
    return xp.cos(angle), xp.sin(angle), scale


def _forward(x):
    xp = be.namespace(x)
    mixed = xp.concat([x[..., ::2], xp.flip(x[..., 1::2], axis=-1)], axis=-1)
    cosine, sine, scale = _twiddles(x)
    spectrum = xp.fft.fft(xp.astype(mixed, be.complex_dtype(xp, x.dtype)), axis=-1)
    return (xp.real(spectrum) * cosine - xp.imag(spectrum) * sine) * scale


def _inverse(y):
    xp, n = be.namespace(y), y.shape[-1]
    cosine, sine, scale = _twiddles(y)
    real = y / scale
    mirrored = xp.concat([xp.zeros_like(real[..., :1]), xp.flip(real[..., 1:], axis=-1)], axis=-1)
    spectrum = (cosine * real - sine * mirrored) + 1j * (-cosine * mirrored - sine * real)
    mixed = xp.real(xp.fft.ifft(spectrum, axis=-1))
    half = (n + 1) // 2
    back = xp.flip(mixed[..., half:], axis=-1)
    if n % 2:
        back = xp.concat([back, xp.zeros_like(back[..., :1])], axis=-1) if n > 1 else xp.zeros_like(mixed)
    pairs = xp.stack([mixed[..., :half], back], axis=-1)
    return xp.reshape(pairs, (*y.shape[:-1], 2 * half))[..., :n]
