"""Draws by the generators of torch and CuPy on their own device.

A draw is cut from tiles of fixed size, each seeded by (key, tile), so that blocks agree here too.
"""

import hashlib

import numpy as np

from .namespace import from_numpy, kind, namespace, to_numpy

_TILE_ROWS, _TILE_COLS = 4096, 16


def identify(rng):
    """("torch" or "cupy", device) of a generator of theirs, else None."""
    module = type(rng).__module__.split(".")[0]
    if module == "torch" and type(rng).__name__ == "Generator":
        return "torch", rng.device
    if module == "cupy" and hasattr(rng, "standard_normal"):
        import cupy

        return "cupy", cupy.cuda.Device()
    return None


def draw_key(rng, library):
    """128 bits from a native generator, which advances it and no other."""
    if library == "torch":
        import torch

        words = torch.randint(0, 1 << 32, (4,), generator=rng, device=rng.device, dtype=torch.int64).tolist()
    else:
        integers = rng.integers if hasattr(rng, "integers") else rng.randint
        words = integers(0, 1 << 16, size=8).get().tolist()
        words = [low | (high << 16) for low, high in zip(words[::2], words[1::2], strict=True)]
    return sum(int(word) << (32 * place) for place, word in enumerate(words))


def _torch_tile(name, seed, device, dtype, high):
    import torch

    shape = (_TILE_ROWS, _TILE_COLS)
    options = {"generator": torch.Generator(device).manual_seed(seed), "device": device}
    if name == "philox_gaussian":
        return torch.randn(shape, dtype=dtype, **options)
    if name == "philox_uniform":
        return 1 - torch.rand(shape, dtype=dtype, **options)
    if name == "philox_signs":
        return (1 - 2 * torch.randint(0, 2, shape, **options)).to(dtype)
    return torch.randint(0, int(high), shape, dtype=dtype, **options)


def _cupy_tile(name, seed, device, dtype, high):
    import cupy

    shape = (_TILE_ROWS, _TILE_COLS)
    with device:
        rng = cupy.random.Generator(cupy.random.Philox4x3210(seed))
        if name == "philox_gaussian":
            return rng.standard_normal(shape, dtype=dtype)
        if name == "philox_uniform":
            return 1 - rng.random(shape, dtype=dtype)
        if name == "philox_signs":
            return (1 - 2 * rng.integers(0, 2, size=shape)).astype(dtype)
        return rng.integers(0, int(high), size=shape).astype(dtype)


_TILES = {"torch": _torch_tile, "cupy": _cupy_tile}


def _tile(name, key, row, column, dtype, high):
    text = f"{name}:{key.value}:{row}:{column}:{high}".encode()
    seed = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
    return _TILES[key.library](name, seed, key.device, dtype, high)


def draw(name, key, rows, cols, dtype, high=None):
    """Rows `rows` and columns `cols` of the matrix that `key` names, on its device."""
    if key.library == "torch":
        import array_api_compat.torch as xp
    else:
        import array_api_compat.cupy as xp
    rows = np.arange(rows.start or 0, rows.stop) if isinstance(rows, slice) else np.asarray(rows, np.int64)
    first = cols.start or 0
    out = xp.empty((rows.shape[0], cols.stop - first), dtype=getattr(xp, dtype), device=key.device)
    if rows.shape[0] == 0:
        return out
    for row in np.unique(rows // _TILE_ROWS):
        inside = np.flatnonzero(rows // _TILE_ROWS == row)
        target = xp.asarray(inside, device=key.device)
        source = xp.asarray(rows[inside] - row * _TILE_ROWS, device=key.device)
        for column in range(first // _TILE_COLS, -(-cols.stop // _TILE_COLS)):
            tile = _tile(name, key, row, column, out.dtype, high)
            start = column * _TILE_COLS
            low, end = max(first, start), min(cols.stop, start + _TILE_COLS)
            out[target, low - first : end - first] = tile[source, low - start : end - start]
    return out


def join_complex(parts):
    """Complex array with real parts in the even columns and imaginary parts in the odd ones, over √2."""
    xp = namespace(parts)
    scale = 0.5**0.5
    if kind(xp) in ("numpy", "cupy"):
        complex_name = "complex64" if parts.dtype.itemsize == 4 else "complex128"
        parts *= parts.dtype.type(scale)
        return parts.view(complex_name)
    import torch

    parts *= scale
    return torch.view_as_complex(parts.reshape(parts.shape[0], -1, 2))


def move(drawn, xp, device):
    """`drawn` in namespace `xp` on `device`."""
    if kind(namespace(drawn)) != kind(xp):
        return from_numpy(to_numpy(drawn), xp, device)
    if device is None or kind(xp) != "torch":
        return drawn
    return drawn.to(device)
