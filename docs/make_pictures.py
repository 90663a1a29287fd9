"""Draw the pictures of README and documentation: ``python docs/make_pictures.py``."""

import importlib.util
from pathlib import Path

import numpy as np

import lowrank_la as lr

STATIC = Path(__file__).parent / "_static"


def main():
    """Write the pictures to ``docs/_static``."""
    A = lr.datasets.photograph()
    lr.plot.write_overview(A, lr.svd(A, 40, rng=0), STATIC / "photograph.png")
    inpainted(A, STATIC / "inpainted.jpg")
    background(A, STATIC / "background.jpg")
    cleaned(STATIC / "cleaned.jpg")


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


def moving_squares(A, frames=60, side=20):
    """A made sequence (frames, m, n): the picture `A` in changing light, a dark square moving across it."""
    generator = np.random.default_rng(0)
    m, n = A.shape
    light = 1.0 + 0.2 * np.sin(np.linspace(0.0, 6.0, frames))
    sequence = light[:, None, None] * A + 0.01 * generator.standard_normal((frames, m, n)) * A.std()
    for t in range(frames):
        row, column = (m - side) // 2 + int(0.3 * m * np.sin(t / 7.0)), int((n - side) * t / (frames - 1))
        sequence[t, row : row + side, column : column + side] = A.min()
    return sequence


def background(A, path, frames=60):
    """Draw one frame of `moving_squares`, and what `lowrank_la.robust_pca` makes of it: background and square.

    Returns
    -------
    float
        Relative error of the background.
    """
    from matplotlib.figure import Figure

    small = A[::2, ::2]
    sequence = moving_squares(small, frames)
    result = lr.robust_pca(sequence.reshape(frames, -1), 1, tol=1e-2, rng=0)
    t = frames // 2
    still = (result.U[t] * result.s @ result.Vh).reshape(small.shape)
    moving = result.S.toarray()[t].reshape(small.shape)
    light = 1.0 + 0.2 * np.sin(np.linspace(0.0, 6.0, frames))
    truth = light[:, None] * small.reshape(1, -1)
    missed = float(np.linalg.norm(result.U * result.s @ result.Vh - truth) / np.linalg.norm(truth))
    figure = Figure(figsize=(13.0, 3.2), layout="constrained")
    panels = {
        "one frame of a made sequence": sequence[t],
        "low rank: the background": still,
        "sparse: the square": abs(moving),
    }
    for axes, (title, picture) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        axes.imshow(picture, cmap="gray", vmin=min(0.0, float(small.min())), vmax=float(A.max()))
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 80})
    return missed


def hyperspectral():
    """The Indian Pines scene (145, 145, 200), as TensorLy bundles it, its largest number one."""
    folder = Path(importlib.util.find_spec("tensorly").origin).parent / "datasets" / "data"
    cube = np.load(folder / "Indian_pines_corrected.npy").astype(float)
    return cube / cube.max()


def cleaned(path, rank=3, band=30):
    """Draw one band of a hyperspectral scene, a tenth of its numbers spoilt, and what becomes of it.

    Returns
    -------
    tuple of float
        Relative errors of the truncated singular value decomposition and of `lowrank_la.robust_pca`.
    """
    from matplotlib.figure import Figure

    cube, generator = hyperspectral(), np.random.default_rng(0)
    spoilt = np.where(generator.random(cube.shape) < 0.1, generator.integers(0, 2, cube.shape), cube)
    for each in range(cube.shape[2]):
        spoilt[:, generator.integers(0, cube.shape[1], 3), each] = 0.0
    M = spoilt.reshape(-1, cube.shape[2])
    result = lr.robust_pca(M, rank, tol=0.02, rng=0)
    plain = lr.svd(M, rank, rng=0)
    found = [(x.U * x.s @ x.Vh).reshape(cube.shape) for x in (plain, result)]
    errors = tuple(float(np.linalg.norm(x - cube) / np.linalg.norm(cube)) for x in found)
    panels = {
        "a tenth spoilt, dead columns": spoilt,
        f"svd, rank {rank}: error {errors[0]:.2f}": found[0],
        f"robust_pca, rank {rank}: error {errors[1]:.3f}": found[1],
        "original": cube,
    }
    figure = Figure(figsize=(13.0, 3.6), layout="constrained")
    low, high = np.quantile(cube[:, :, band], [0.0, 1.0])
    for axes, (title, picture) in zip(figure.subplots(1, 4), panels.items(), strict=True):
        axes.imshow(picture[:, :, band], cmap="gray", vmin=low, vmax=high)
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 85})
    return errors


if __name__ == "__main__":
    main()
