"""Steps of conjugate gradients for the line of a least squares problem; vectors have a multiple of four numbers."""

from ._jit import jit
from ._vector import add_product, add_scaled, load, product, store, total_of, zeros_4


@jit
def inner(a, b):
    """Inner product."""
    total = zeros_4(a)
    for l in range(0, a.size, 4):
        total = add_product(total, load(total, a, l), load(total, b, l))
    return total_of(total)


@jit
def add_multiple(a, scale, b):
    """``a += scale * b``."""
    zero = zeros_4(a)
    for l in range(0, a.size, 4):
        store(a, l, add_scaled(load(zero, a, l), scale, load(zero, b, l)))


@jit
def multiply(a, b, out):
    """``out = a * b``, number by number."""
    zero = zeros_4(a)
    for l in range(0, a.size, 4):
        store(out, l, product(load(zero, a, l), load(zero, b, l)))


@jit
def advance(d, r, p, z, own, rho):
    """Step from `d` along `p`, whose image is `z` before the ridge `own`; `r` is what is left of the right side.

    Returns whether there was a step: `p` has to be curved.
    """
    add_multiple(z, own, p)
    curved = inner(p, z)
    if not curved > 0.0:
        return False
    add_multiple(d, rho / curved, p)
    add_multiple(r, -rho / curved, z)
    return True


@jit
def turn(p, q, r, rho):
    """Next direction ``p = q + β p`` from the preconditioned rest `q`; returns the new ``ρ = r·q``."""
    new = inner(r, q)
    zero = zeros_4(p)
    for l in range(0, p.size, 4):
        store(p, l, add_scaled(load(zero, q, l), new / rho, load(zero, p, l)))
    return new


@jit
def moved(x, h, r, d, own, relax):
    """``x += relax * d``; returns by how much the squared residual falls, `r` being what is left of the right side."""
    zero = zeros_4(x)
    along, curved = zero, zero
    for l in range(0, x.size, 4):
        there, step, line = load(zero, h, l), load(zero, d, l), load(zero, x, l)
        along = add_product(along, step, there)
        gone = add_scaled(add_scaled(there, -own, line), -own, step)
        curved = add_product(curved, step, add_scaled(gone, -1.0, load(zero, r, l)))
        store(x, l, add_scaled(line, relax, step))
    return relax * (2.0 * total_of(along) - relax * total_of(curved))
