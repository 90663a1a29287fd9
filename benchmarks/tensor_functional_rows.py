"""Chebyshev-Tucker and functional Tucker models: ``bench_tensors --modules tensor_functional_rows``.

A contender counts when its error is within the target of its problem; all have one thread, since matrices this small
gain nothing from a second one. No package in Python does the same, so the peers are what one would write with NumPy and
SciPy (the published algorithm on the full coefficient tensor), Gaussian process regression of scikit-learn and masked
CP of TensorLy.
"""

import math
import warnings

import numpy as np
import scipy.fft
from scipy.interpolate import CubicSpline

import lowrank_la as lr
from benchmarks import harness
from benchmarks.tensor_timing import aim, contest, problem

RANDOM = np.random.default_rng(7).uniform(-1.0, 1.0, (4000, 3))
LIMITS = {"newton": {"seconds": 0.1, "rank": 13}}
FUNCTIONS = {
    "1 / (1 + 9 r²)": lambda x: 1.0 / (1.0 + 9.0 * np.sum(x**2, axis=1)),
    "tanh(5 Σx)": lambda x: np.tanh(5.0 * np.sum(x, axis=1)),
    "cosh(Σx)⁻²": lambda x: np.cosh(np.sum(x, axis=1)) ** -2,
}


def centres(n):
    return (2 * np.arange(n) + 1 - n) / n


def coefficients(values):
    """Chebyshev coefficients along every axis of values at the Chebyshev points."""
    for axis, m in enumerate(values.shape):
        values = scipy.fft.dct(values, 1, axis=axis) / (m - 1)
        ends = [slice(None)] * values.ndim
        for end in (0, -1):
            ends[axis] = end
            values[tuple(ends)] /= 2.0
    return values


def hosvd(C, tol):
    """Tucker decomposition with each tail of the unfoldings below its share of `tol`."""
    factors, core, most = [], C, tol * np.linalg.norm(C) / math.sqrt(C.ndim)
    for k in range(C.ndim):
        R = np.linalg.qr(np.moveaxis(C, k, -1).reshape(-1, C.shape[k]), mode="r")
        U, s, _ = np.linalg.svd(R.T)
        tails = np.sqrt(np.cumsum(s[::-1] ** 2))[::-1]
        factors.append(U[:, : max(1, int(np.sum(tails > most)))])
    for k, U in enumerate(factors):
        core = np.moveaxis(np.tensordot(U.T, core, (1, k)), 0, k)
    return core, factors


def evaluated(core, factors, points):
    rows = [np.polynomial.chebyshev.chebvander(points[:, k], U.shape[0] - 1) @ U for k, U in enumerate(factors)]
    return np.einsum("abc,pa,pb,pc->p", core, *rows, optimize=True)


def slice_error(core, rows, weights, columns):
    """Largest error on the middle slice of a grid, relative to the largest value there."""
    middle = columns[2].shape[0] // 2
    truth = (columns[0] * (weights * columns[2][middle])) @ columns[1].T
    found = np.einsum("abc,ia,jb,c->ij", core, rows[0], rows[1], rows[2][middle], optimize=True)
    return float(np.max(np.abs(found - truth)) / np.max(np.abs(truth)))


def kernels(quick):
    """Long-range Newton kernels and charges as sums of Gaussians."""
    generator, found = np.random.default_rng(0), {}
    size = 256 if quick else 1024
    charges = 20 if quick else 100
    cases = {
        "newton": (
            lr.newton_kernel(size, terms=31).long_range(),
            f"Chebyshev-Tucker, long-range Newton kernel, n={size}, m=129",
            2e-8,
        ),
        "charges": (
            lr.newton_kernel(256, terms=26, centers=generator.uniform(-0.5, 0.5, (charges, 3))).long_range(10),
            f"Chebyshev-Tucker, long-range potential of {charges} random charges, n=256, m=129",
            1e-6,
        ),
    }
    for name, (kernel, title, target) in cases.items():
        weights, columns = kernel

        def ours(weights=weights, columns=columns):
            g = lr.ChebTuck.fit((weights, columns), tol=1e-7, degree=128, on_failure="warn")
            return g.core, lambda: [g.on_grid(k, columns[k].shape[0]) for k in range(3)]

        def dense(weights=weights, columns=columns):
            nodes = np.cos(np.pi * np.arange(129) / 128)
            splines = [CubicSpline(centres(c.shape[0]), c)(nodes) for c in columns]
            C = coefficients(np.einsum("r,ir,jr,kr->ijk", weights, *splines, optimize=True))
            core, factors = hosvd(C, 1e-7)
            x = [centres(c.shape[0]) for c in columns]
            rows = [np.polynomial.chebyshev.chebvander(p, 128) @ U for p, U in zip(x, factors, strict=True)]
            return core, lambda: rows

        def judged(answer, weights=weights, columns=columns):
            core, rows = answer
            return slice_error(core, rows(), weights, columns), f"ranks {core.shape}"

        runs = {"lowrank_la ChebTuck": ours, "NumPy, SciPy: full coefficient tensor, HOSVD": dense}
        found[name] = (f"{title}, tol 1e-7", runs, judged, target)
    return found


def functions(quick):
    """Analytic functions on the cube to twelve digits, the degree not known in advance."""
    found = {}
    for name, f in list(FUNCTIONS.items())[1 if quick else 0 :]:

        def ours(f=f):
            g = lr.ChebTuck.fit(f, [(-1.0, 1.0)] * 3, tol=1e-12, rng=0)
            return g.core, g.factors

        def doubling(f=f):
            m = 17
            while True:
                x = np.cos(np.pi * np.arange(m) / (m - 1))
                points = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
                C = coefficients(f(points).reshape(m, m, m))
                last = m - m // 10
                tail = max(np.abs(C[last:]).max(), np.abs(C[:, last:]).max(), np.abs(C[:, :, last:]).max())
                if tail <= 1e-13 * np.abs(C).max() or m > 256:
                    return hosvd(C, 1e-12)
                m = 2 * m - 1

        def judged(answer, f=f):
            core, factors = answer
            truth = f(RANDOM)
            error = np.max(np.abs(evaluated(core, factors, RANDOM) - truth)) / np.max(np.abs(truth))
            return float(error), f"degree {factors[0].shape[0] - 1}, ranks {core.shape}"

        runs = {"lowrank_la ChebTuck": ours, "NumPy, SciPy: degree doubled in all modes, HOSVD": doubling}
        found[f"function {name}"] = (f"Chebyshev-Tucker, {name} on the cube, degree not given", runs, judged, 1e-12)
    return found


def synthetic(seed, coordinates=90, data=675):
    generator = np.random.default_rng(seed)
    axes = [np.sort(generator.uniform(size=coordinates)) for _ in range(2)]
    i, j = np.divmod(generator.permutation(coordinates**2)[: 2 * data], coordinates)
    x = np.stack([axes[0][i], axes[1][j]], axis=1)
    u = np.sin(2 * np.pi * x[:, 0]) ** 2 * np.cos(2 * np.pi * x[:, 0])
    f = u * np.exp(-2 * x[:, 1]) * np.sin(1.5 * np.pi * x[:, 1])
    return (
        x[:data],
        f[:data] + 0.01 * generator.standard_normal(data),
        x[data:],
        f[data:],
        (i[:data], j[:data]),
        (i[data:], j[data:]),
    )


def scattered(quick):
    """The synthetic experiment of functional Bayesian Tucker decomposition, one draw."""
    x, y, new, truth, cells, others = synthetic(0)

    def model(**options):
        return lambda: lr.FunctionalTucker(1, core="superdiagonal", **options).fit(x, y, rng=0).predict(new)

    def process():
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        kernel = ConstantKernel(0.1) * Matern([0.1, 0.3], nu=1.5) + WhiteKernel(1e-4, (1e-7, 1.0))
        found = GaussianProcessRegressor(kernel).fit(x, y)
        mean, std = found.predict(new, return_std=True)
        return mean, np.sqrt(np.maximum(std**2 - found.kernel_.k2.noise_level, 0.0))

    def masked():
        from tensorly.decomposition import parafac

        X, mask = np.zeros((90, 90)), np.zeros((90, 90))
        X[cells], mask[cells] = y, 1.0
        weights, (a, b) = parafac(X, 1, mask=mask, n_iter_max=200, random_state=0)
        return ((a * weights) @ b.T)[others], None

    def judged(answer):
        mean, std = answer
        covered = "" if std is None else f"coverage {np.mean(np.abs(mean - truth) <= 1.96 * std):.3f}"
        return float(np.sqrt(np.mean((mean - truth) ** 2))), covered

    runs = {
        "lowrank_la FunctionalTucker, tuned": model(),
        "lowrank_la FunctionalTucker, scale 0.1, variance 0.5": model(length_scale=0.1, variance=0.5),
        "scikit-learn Gaussian process": process,
        "TensorLy parafac, mask": masked,
    }
    found = {
        "funbat": (
            "Functional Tucker, synthetic experiment, 675 noisy values of 90×90, root mean square error",
            runs,
            judged,
            0.0042,
        )
    }
    n = 500 if quick else 2000
    t = np.sort(np.random.default_rng(0).uniform(size=n))
    z = np.sin(20 * t) + 0.1 * np.random.default_rng(1).standard_normal(n)
    places = np.linspace(0.0, 1.0, 1000)

    def one_mode():
        fixed = {"length_scale": 0.1, "variance": 1.0, "noise": 0.1, "core": "superdiagonal"}
        return lr.FunctionalTucker(1, **fixed).fit(t, z).predict(places)

    def dense():
        def matern(d):
            return (1.0 + math.sqrt(3.0) * d / 0.1) * np.exp(-math.sqrt(3.0) * d / 0.1)

        K, cross = matern(np.abs(t[:, None] - t)) + 0.01 * np.eye(n), matern(np.abs(places[:, None] - t))
        half = np.linalg.solve(np.linalg.cholesky(K), np.concatenate([cross.T, z[:, None]], axis=1))
        return half[:, :-1].T @ half[:, -1], np.sqrt(1.0 - np.sum(half[:, :-1] ** 2, axis=0))

    exact = dense()

    def off(answer):
        return max(float(np.max(np.abs(a - b))) for a, b in zip(answer, exact, strict=True)), ""

    runs = {"lowrank_la FunctionalTucker, one mode": one_mode, "NumPy, dense Gaussian process": dense}
    found["one_mode"] = (
        f"Functional Tucker, posterior of one mode, {n} values, difference from the dense one",
        runs,
        off,
        1e-8,
    )
    return found


def draws(quick):
    """The synthetic experiment over several draws: root mean square error and coverage of the tuned model."""
    errors, covered, seconds = [], [], []
    for seed in range(3 if quick else 20):
        x, y, new, truth, _, _ = synthetic(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (mean, std), spent = harness.seconds(
                lambda x=x, y=y, new=new, seed=seed: (
                    lr.FunctionalTucker(1, core="superdiagonal").fit(x, y, rng=seed).predict(new)
                )
            )
        errors.append(float(np.sqrt(np.mean((mean - truth) ** 2))))
        covered.append(float(np.mean(np.abs(mean - truth) <= 1.96 * std)))
        seconds.append(spent)
    aims = [
        aim("largest error", max(errors), most=0.0042, words="{:.4f}"),
        aim("mean coverage of 95 % intervals", np.mean(covered), least=0.92),
        aim("mean coverage of 95 % intervals", np.mean(covered), most=0.98),
    ]
    row = {"contender": "lowrank_la FunctionalTucker, tuned", "ours": True, "seconds": float(np.median(seconds)),
           "error": float(np.mean(errors)), "note": f"mean of {len(errors)} draws"}  # fmt: skip
    return problem("Functional Tucker, synthetic experiment, root mean square error over draws", [row], aims)


def run(title, contenders, judged, target, repeats, limits):
    """The problem with errors judged from the answers, and `limits` of seconds and ranks for the first contender."""
    found, rows = contest(contenders, repeats, budget=6.0), []
    for name, one in found.items():
        error, note = (math.inf, one.failure) if one.failure else judged(one.result)
        rows.append(one.row(name, error=error, accurate=error <= target, note=note))
    aims = [aim("error", rows[0]["error"], most=target, words="{:.2g}")]
    if "seconds" in limits:
        aims.append(aim("seconds", rows[0]["seconds"], most=limits["seconds"]))
    if "rank" in limits:
        rank = max(next(iter(found.values())).result[0].shape)
        aims.append(aim("largest rank", rank, most=limits["rank"], words="{:.0f}"))
    return problem(f"{title} (aim {target:g})", rows, aims, target=target)


def problems(quick=False, repeats=3, only=()):
    """``{name: problem}`` of all problems, or of those whose name contains a word of `only`."""

    def chosen(name):
        return not only or any(word in name for word in only)

    found = {}
    with harness.threads(1):
        for make in (kernels, functions, scattered):
            for name, (title, contenders, judged, target) in make(quick).items():
                if chosen(name):
                    found[name] = run(title, contenders, judged, target, repeats, LIMITS.get(name, {}))
        if chosen("funbat_draws"):
            found["funbat_draws"] = draws(quick)
    return found
