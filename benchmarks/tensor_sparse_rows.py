"""Sparse and incomplete tensors, other losses, diagnostics: ``bench_tensors --modules tensor_sparse_rows``.

A contender counts when its error is no worse than that of the best one by more than the share given with its problem.
"""

import math

import numpy as np
import scipy.sparse as sp

import lowrank_la as lr
from benchmarks import harness
from benchmarks.tensor_cp_contenders import ours, parts, stamped
from benchmarks.tensor_cp_contenders import pyttb as pyttb_als
from benchmarks.tensor_timing import aim, contest, problem, sweep_contest, times_peer
from lowrank_la.tensors.kruskal import model_norm

LOSSES = {
    "gaussian": "GAUSSIAN", "poisson": "POISSON", "poisson_log": "POISSON_LOG", "bernoulli": "BERNOULLI_ODDS",
    "bernoulli_logit": "BERNOULLI_LOGIT", "gamma": "GAMMA", "rayleigh": "RAYLEIGH", "huber": "HUBER",
    "negative_binomial": "NEGATIVE_BINOMIAL", "beta": "BETA",
}  # fmt: skip
PARAMETERS = {"huber": 0.25, "negative_binomial": 1.0, "beta": 0.5}


def model(factors):
    return np.einsum("ir,jr,kr->ijk", *factors)


def relative(truth, found):
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def coordinates(n, count, power, seed=0):
    """Places in an n×n×n cube, uniform or with indices that fall off like a power law."""
    generator = np.random.default_rng(seed)
    u = generator.random((count, 3))
    index = np.floor(n * u) if power is None else np.floor(n * u**power)
    return np.unique(index.astype(np.int64), axis=0)


def sparse_sweeps(n, count, rank, power, repeats, least=None):
    """Seconds of a sweep from the same start; `least` times as fast as the peer is aimed at."""
    import pyttb

    generator, sweeps = np.random.default_rng(1), 3
    coords = coordinates(n, count, power)
    values = generator.random(coords.shape[0])
    start = [generator.random((n, rank)) for _ in range(3)]
    X = sp.coo_array((values, tuple(coords.T)), shape=(n, n, n))
    theirs = stamped(pyttb.sptensor, coords, values[:, None], (n, n, n))
    contenders = {
        "lowrank_la cp": lambda each: ours(X, rank, start, maxiter=sweeps, tol=0, accelerate=False, callback=each),
        "pyttb cp_als": lambda each: pyttb_als(theirs, rank, start, sweeps, each),
    }
    found, _ = sweep_contest(contenders, sweeps, repeats, budget=20.0)
    size, rows = float(np.linalg.norm(values)), []
    for name, one in found.items():
        weights, factors = parts(one.result)
        cross = sum(
            float(values[part] @ (model_at(factors, coords[part]) @ weights))
            for part in (slice(i, i + 100_000) for i in range(0, coords.shape[0], 100_000))
        )
        square = size**2 - 2 * cross + model_norm(weights, factors) ** 2
        rest = one.cold - sweeps * float(np.median(one.times))
        note = f"{max(0.0, rest):.2f} s of set-up and compilation in a first call of {sweeps} sweeps"
        rows.append(one.row(name, error=math.sqrt(max(0.0, square)) / size, note=note))
    for row in rows:
        row["accurate"] = row["error"] <= rows[1]["error"] * (1 + 1e-9)
    kind = "uniform places" if power is None else "power-law places"
    aims = [] if least is None else [aim("times as fast as pyttb", times_peer(rows), least=least)]
    return problem(f"CP-ALS, a sweep, sparse {n}³, {count:.0e} nonzeros, rank {rank}, {kind}", rows, aims)


def model_at(factors, coords):
    """Products of the factors' rows at the places `coords`, one column a term."""
    rows = factors[0][coords[:, 0]]
    for k, factor in enumerate(factors[1:], 1):
        rows = rows * factor[coords[:, k]]
    return rows


def by_error(title, contenders, repeats, share):
    """The problem of contenders that each return an error; those within `share` of the least one count."""
    found = contest(contenders, repeats, budget=6.0)
    errors = {name: math.inf if one.failure else float(one.result) for name, one in found.items()}
    limit = math.inf if math.isinf(share) else min(errors.values()) + share * abs(min(errors.values()))
    rows = [one.row(name, error=errors[name], accurate=errors[name] <= limit) for name, one in found.items()]
    return problem(title, rows)


def missing(quick, chosen):
    """Recovery from some of the entries: error against the whole tensor."""
    if not (chosen("missing_0.1") or chosen("missing_0.7")):
        return {}
    import tensorly
    from tensorly.decomposition import parafac

    generator, n, rank = np.random.default_rng(0), 30 if quick else 60, 4
    truth = model([generator.standard_normal((n, rank)) for _ in range(3)])
    X = truth + 0.01 * truth.std() * generator.standard_normal(truth.shape)
    found = {}
    for share in (0.1, 0.7):
        mask = np.random.default_rng(1).random(X.shape) < share
        holes = np.where(mask, X, np.nan)

        def ours(holes=holes, mask=mask):
            return relative(truth, lr.cp(holes, rank, mask=mask, rng=0, on_failure="warn").full())

        def tensorly_mask(mask=mask):
            init = np.where(mask, X, 0.0)
            cp = parafac(init, rank, mask=mask.astype(float), init="svd", n_iter_max=500, tol=1e-8, linesearch=False)
            return relative(truth, tensorly.cp_to_tensor(cp))

        found[f"missing_{share}"] = (
            f"CP of a part of the entries, {share:.0%} of {n}³, rank {rank}, 1 % noise, error against the whole",
            {"lowrank_la cp, mask": ours, "TensorLy parafac, mask": tensorly_mask},
            0.5,
        )
    return found


def losses(quick, chosen):
    """Each loss on data of its kind: mean loss that is reached."""
    import pyttb
    from pyttb.gcp.fg_setup import setup
    from pyttb.gcp.handles import Objectives
    from pyttb.gcp.optimizers import LBFGSB

    generator, n, rank = np.random.default_rng(0), 20 if quick else 50, 4
    mean = model([generator.uniform(0.2, 1.5, (n, rank)) for _ in range(3)])
    found = {}
    for name, theirs in LOSSES.items():
        if not chosen(f"gcp_{name}"):
            continue
        X = sample(name, mean, generator)
        parameter = PARAMETERS.get(name)
        handle = setup(Objectives[theirs], None, parameter)
        start = [generator.random((n, rank)) for _ in range(3)]

        def ours(X=X, name=name, parameter=parameter, start=start):
            result = lr.gcp(
                X, rank, loss=name, parameter=parameter, init=(np.ones(rank), start), on_failure="warn", maxiter=200
            )
            return result.info.loss

        def peer(X=X, handle=handle, start=start):
            init = pyttb.ktensor([np.asfortranarray(factor) for factor in start])
            tensor = pyttb.tensor(X)
            solver = LBFGSB(maxiter=200, iprint=-1)
            result, _, _ = pyttb.gcp_opt(tensor, rank, handle, solver, init=init, printitn=0)
            return float(np.mean(handle[0](X.ravel(order="F"), result.full().data.ravel(order="F"))))

        found[f"gcp_{name}"] = (
            f"Generalized CP, {name}, {n}³, rank {rank}, at most 200 steps",
            {"lowrank_la gcp": ours, "pyttb gcp_opt L-BFGS-B": peer},
            1e-2,
        )
    return found


def sample(name, mean, generator):
    if name in ("bernoulli", "bernoulli_logit"):
        return (generator.random(mean.shape) < mean / (1 + mean)).astype(float)
    if name in ("poisson", "poisson_log", "negative_binomial"):
        return generator.poisson(mean).astype(float)
    if name in ("gamma", "rayleigh", "beta"):
        return mean * generator.gamma(5.0, 0.2, mean.shape)
    X = mean + 0.05 * generator.standard_normal(mean.shape)
    if name == "huber":
        X[generator.random(X.shape) < 0.02] += 20.0
    return X


def sampled(quick, chosen):
    """Zeros and ones, sparse: sampled gradients, mean loss over all entries."""
    if not chosen("gcp_sampled"):
        return {}
    import pyttb
    from pyttb.gcp.handles import Objectives
    from pyttb.gcp.optimizers import Adam
    from pyttb.gcp.samplers import GCPSampler, Samplers, StratifiedCount

    generator, n, rank = np.random.default_rng(0), 40 if quick else 60, 3
    odds = 0.02 * model([generator.uniform(0.1, 1.5, (n, rank)) for _ in range(3)])
    dense = (generator.random(odds.shape) < odds / (1 + odds)).astype(float)
    X = sp.coo_array(dense)
    start = [0.3 * generator.random((n, rank)) for _ in range(3)]

    def loss(M):
        return float(np.mean(np.log1p(M) - dense * np.log(M + 1e-10)))

    def ours(epochs):
        result = lr.gcp(X, rank, loss="bernoulli", init=(np.ones(rank), start), rng=0, maxiter=epochs)
        return loss(result.full())

    def peer(epochs):
        data = pyttb.tensor(dense).to_sptensor()
        count = StratifiedCount(1024, 1024)
        sampler = GCPSampler(data, gradient_sampler=Samplers.STRATIFIED, gradient_samples=count)
        solver = Adam(max_iters=epochs, epoch_iters=1000, printitn=0)
        init = pyttb.ktensor([np.asfortranarray(factor) for factor in start])
        result = pyttb.gcp_opt(data, rank, Objectives.BERNOULLI_ODDS, solver, init=init, sampler=sampler, printitn=0)[0]
        return loss(result.full().data)

    title = f"Generalized CP, bernoulli, {n}³ with {X.nnz} ones, rank {rank}, 3 epochs of 1000 sampled steps"
    runs = {"lowrank_la gcp, adam": lambda: ours(3), "pyttb gcp_opt, Adam, stratified": lambda: peer(3)}
    return {"gcp_sampled": (title, runs, 2e-2)}


def diagnostics(quick, chosen):
    """Core consistency beside the least-squares core from the Kronecker product; the rank of overlapping spectra."""
    if not (chosen("core_consistency") or chosen("diagnostics")):
        return {}
    generator, rank = np.random.default_rng(0), 4
    shape = (20, 15, 10) if quick else (60, 40, 20)
    factors = [generator.standard_normal((n, rank)) for n in shape]
    X = model(factors) + 0.1 * generator.standard_normal(shape)
    result = lr.cp(X, rank, rng=0, on_failure="warn")
    spread = [np.asarray(factor) * np.asarray(result.weights) ** (1 / 3) for factor in result.factors]
    ideal = np.zeros((rank,) * 3)
    np.fill_diagonal(ideal, 1.0)

    def kronecker():
        big = np.kron(np.kron(spread[0], spread[1]), spread[2])
        core = np.linalg.lstsq(big, X.ravel(), rcond=None)[0].reshape(ideal.shape)
        return 100 * (1 - np.linalg.norm(core - ideal) ** 2 / rank)

    exact = kronecker()
    runs = {
        "lowrank_la core_consistency": lambda: abs(lr.core_consistency(X, result) - exact) / 100,
        "NumPy, Kronecker product and lstsq": lambda: abs(kronecker() - exact) / 100,
    }
    grid = np.linspace(0, 1, 40)[:, None]
    peaks = [np.exp(-(((grid - np.linspace(0.2, 0.8, 3)) / width) ** 2)) for width in (0.15, 0.2)]
    spectra = model([generator.uniform(0.2, 1.0, (16, 3)), *peaks])
    spectra = spectra + 0.01 * spectra.mean() * generator.standard_normal(spectra.shape)
    order = [2, 0, 3, 1]
    turned = np.asarray(result.weights)[order], [np.asarray(factor)[:, order] for factor in result.factors]
    figures = {
        "lowrank_la factor_match_score, permuted terms": lambda: 1.0 - lr.factor_match_score(result, turned),
        "lowrank_la congruence, diagonal": lambda: float(abs(np.diag(lr.congruence(result)) - 1).max()),
        "lowrank_la split_half at the true rank": lambda: 1.0 - float(
            lr.split_half(spectra, 3, splits=1, starts=2, rng=0).scores.mean()
        ),
        "lowrank_la suggest_rank up to 4, ranks off": lambda: float(
            abs(lr.suggest_rank(spectra, 4, splits=1, starts=2, rng=0).rank - 3)
        ),
    }  # fmt: skip
    return {
        "core_consistency": (f"Core consistency, {'×'.join(map(str, shape))}, rank {rank}", runs, math.inf),
        "diagnostics": ("Other diagnostics, error from what they should be", figures, math.inf),
    }


def measured_data():
    """Relative errors on data that come with TensorLy."""
    from tensorly.datasets import load_covid19_serology, load_IL2data

    rows = []
    for name, load, mask in (
        ("COVID-19 serology 438×6×11", load_covid19_serology, None),
        ("IL-2 13×4×12×8, 3.8 % missing", load_IL2data, "finite"),
    ):
        X = np.asarray(load()["tensor"])
        for rank in (1, 2, 3, 4):
            result, seconds = harness.seconds(
                lambda X=X, rank=rank, mask=mask: lr.cp(X, rank, mask=mask, rng=0, maxiter=2000, on_failure="warn")
            )
            rows.append(
                {"contender": f"lowrank_la cp, {name}, rank {rank}", "ours": True, "seconds": seconds,
                 "error": result.info.error}
            )  # fmt: skip
    return problem("CP of measured data: relative error of the observed entries", rows)


def problems(quick=False, repeats=3, only=()):
    """``{name: {"title", "rows"}}`` of all problems, or of those whose name contains one of the words `only`."""

    def chosen(name):
        return not only or any(word in name for word in only)

    large, small = ((2000, 50_000, 16), (1000, 20_000, 16)) if quick else ((10_000, 10**6, 16), (3000, 2 * 10**5, 16))
    found = {}
    if chosen("sparse_sweep"):
        found["sparse_sweep"] = sparse_sweeps(*large, None, repeats, least=15.0)
    if chosen("sparse_power_law"):
        found["sparse_power_law"] = sparse_sweeps(*small, 3.0, repeats)
    for make in (missing, losses, sampled, diagnostics):
        for name, (title, runs, share) in make(quick, chosen).items():
            if chosen(name):
                found[name] = by_error(title, runs, repeats, share)
    if chosen("measured_data"):
        found["measured_data"] = measured_data()
    return found
