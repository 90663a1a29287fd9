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
    recovered_couplings(STATIC / "couplings.jpg")
    rotated(STATIC / "rotation.png")


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


def rotated(path, rows=512, channels=256, large=4):
    """Draw numbers with a few large channels before and after a rotation in blocks, and their error when rounded.

    Returns
    -------
    dict of int to float
        Relative error of four-bit numbers on the ordinary channels, by the width of the blocks; 1 is no rotation.
    """
    from matplotlib.figure import Figure

    generator = np.random.default_rng(0)
    A = generator.standard_normal((rows, channels))
    outliers = generator.choice(channels, large, replace=False)
    A[:, outliers] *= generator.uniform(20, 60, large)
    ordinary = np.setdiff1d(np.arange(channels), outliers)

    def rounded(M):
        step = np.abs(M).max(axis=1, keepdims=True) / 7
        return step * np.round(M / step)

    errors = {}
    for width in (1, 16, 32, 64, 128, 256):
        back = lr.fwht(rounded(lr.fwht(A, block=width, norm="ortho")), block=width, norm="ortho")
        errors[width] = float(np.linalg.norm((back - A)[:, ordinary]) / np.linalg.norm(A[:, ordinary]))
    figure = Figure(figsize=(13.0, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, title, M in (
        (left, "as it is", A),
        (middle, "after fwht(A, block=128)", lr.fwht(A, block=128, norm="ortho")),
    ):
        axes.imshow(np.abs(M[:128]), cmap="viridis", vmin=0, vmax=60, aspect="auto", interpolation="nearest")
        axes.set(title=f"modulus, {title}", xlabel="channel", ylabel="row")
    right.plot(list(errors), list(errors.values()), "o-")
    right.set(
        xscale="log", xlabel="width of a block (1: no rotation)", ylabel="relative error", ylim=(0, None),
        title="rounded to four bits, ordinary channels",
    )  # fmt: skip
    right.set_xticks(list(errors), list(map(str, errors)))
    right.minorticks_off()
    figure.savefig(path, dpi=100)
    return errors


def recovered_couplings(path, side=12):
    """Draw the couplings of an energy of `side`² spins that `lowrank_la.sparse_wht` reads off few values.

    The spins sit on a grid; neighbours are coupled at random. The third panel shows the share of exact answers against
    the bins a coefficient, which rises abruptly where peeling begins to succeed.

    Returns
    -------
    int
        Values of the energy that were read.
    """
    from matplotlib.figure import Figure

    n, generator = side * side, np.random.default_rng(0)
    cells = np.arange(n).reshape(side, side)
    across, down = [cells[:, :-1], cells[:, 1:]], [cells[:-1], cells[1:]]
    pairs = np.concatenate([np.stack(pair, axis=-1).reshape(-1, 2) for pair in (across, down)])
    J = generator.standard_normal(len(pairs))

    def energy(bits):
        spins = 1.0 - 2.0 * bits
        return (spins[:, pairs[:, 0]] * spins[:, pairs[:, 1]]) @ J

    result = lr.sparse_wht(energy, n, len(pairs), degree=2, rng=0)
    found = np.zeros((n, n))
    for row, value in zip(*result, strict=True):
        found[tuple(row.nonzero()[0])] = value
    true = np.zeros((n, n))
    true[pairs[:, 0], pairs[:, 1]] = J
    figure = Figure(figsize=(13.0, 4.2), layout="constrained")
    panels = figure.subplots(1, 3)
    limit = float(abs(J).max())
    shown = {f"couplings of {n} spins": true, f"from {result.info.samples} of 2^{n} energies": found}
    for axes, (title, picture) in zip(panels[:2], shown.items(), strict=True):
        axes.imshow(picture, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set(title=title, xticks=[], yticks=[])
    loads = np.linspace(0.3, 0.7, 9)
    for bins in (64, 256, 1024):
        panels[2].plot(loads, [_share_recovered(bins, load) for load in loads], "o-", label=f"{bins} bins")
    panels[2].axvline(0.4073, color="gray", linestyle=":")
    panels[2].set(title="exact answers at the first attempt", xlabel="bins a coefficient")
    panels[2].legend()
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 80})
    return result.info.samples


def _share_recovered(bins, load, trials=20, n=20):
    """Share of exact answers with three groups of `bins` bins and ``bins / load`` coefficients."""
    import warnings

    right = 0
    for seed in range(trials):
        generator = np.random.default_rng(seed)
        X = np.zeros(1 << n)
        X[generator.choice(1 << n, round(bins / load), replace=False)] = generator.standard_normal(round(bins / load))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lr.ConvergenceWarning)
            result = lr.sparse_wht(lr.fwht(X), n, bins=bins, attempts=1, method="peeling", rng=seed)
        right += result.info.certificate
    return right / trials


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
