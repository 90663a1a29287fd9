"""Draw the pictures of README and documentation: ``python docs/make_pictures.py``."""

from pathlib import Path

import numpy as np

import lowrank_la as lr

STATIC = Path(__file__).parent / "_static"


def main():
    """Write ``docs/_static/photograph.png`` and ``docs/_static/inpainted.jpg``."""
    A = lr.datasets.photograph()
    lr.plot.write_overview(A, lr.svd(A, 40, rng=0), STATIC / "photograph.png")
    inpainted(A, STATIC / "inpainted.jpg")


def inpainted(A, path, rank=60, regularization=1.5):
    """Draw `A` with half of its pixels hidden, beside what `lowrank_la.complete` makes of the others, and whole.

    Parameters
    ----------
    A : array, shape (m, n)
    path : str or Path
    rank, regularization
        Passed on.

    Returns
    -------
    float
        Relative error on the hidden pixels.
    """
    from matplotlib.figure import Figure

    hidden = np.random.default_rng(0).random(A.shape) < 0.5
    known = np.where(hidden, np.nan, A)
    result = lr.complete(known, rank, regularization=regularization, tol=1e-4, rng=0)
    completed = result.U @ result.V.T
    missed = float(np.linalg.norm((completed - A)[hidden]) / np.linalg.norm(A[hidden]))
    figure = Figure(figsize=(13.0, 3.2), layout="constrained")
    panels = {
        "half of the pixels": np.where(hidden, 0.0, A),
        f"completed: rank {rank}, error on hidden pixels {missed:.2f}": completed,
        "original": A,
    }
    for axes, (title, picture) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        axes.imshow(picture, cmap="gray", vmin=float(A.min()), vmax=float(A.max()), interpolation="nearest")
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 80})
    return missed


if __name__ == "__main__":
    main()
