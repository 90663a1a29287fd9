"""Laws of small cases by enumeration, statistics that compare counts with them, and wrong samplers that must fail."""

from itertools import combinations

import numpy as np
import scipy.linalg
import scipy.stats

REJECT = 1e-4
GROUP = 500


def orthonormal(n, k, rng=0, dtype="float64"):
    """An orthonormal basis whose leverages spread widely."""
    generator = np.random.default_rng(rng)
    M = generator.standard_normal((n, k)) * np.geomspace(1.0, 4.0, n)[:, None]
    if np.dtype(dtype).kind == "c":
        M = M + 1j * generator.standard_normal((n, k))
    return np.linalg.qr(M)[0].astype(dtype)


def subsets(n, k):
    """All sets of k out of n, sorted."""
    return [list(s) for s in combinations(range(n), k)]


def projection_law(V):
    """Probability of every set of k rows of an orthonormal `V`."""
    n, k = V.shape
    return np.asarray([abs(np.linalg.det(V[s])) ** 2 for s in subsets(n, k)])


def kernel_law(L, k):
    """Law of the k-DPP of `L` over all sets of k."""
    p = np.asarray([np.linalg.det(L[np.ix_(s, s)]).real for s in subsets(L.shape[0], k)])
    return p / p.sum()


def volume_law(A, size):
    """Law of volume sampling over all sets of `size`."""
    p = np.asarray([np.linalg.det(A[s].conj().T @ A[s]).real for s in subsets(A.shape[0], size)])
    return p / p.sum()


def counts(draws, n):
    """How often each set of `subsets` was drawn; `draws` (N, k) of distinct row numbers."""
    k = draws.shape[1]
    place = {tuple(s): i for i, s in enumerate(subsets(n, k))}
    found = np.zeros(len(place))
    rows, numbers = np.unique(np.sort(draws, axis=1), axis=0, return_counts=True)
    for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
        found[place[tuple(row)]] += number
    return found


def same_law(found, law):
    """p-value of the chi-square test on counts; cells expected below five are pooled."""
    expected = law * found.sum()
    small = expected < 5
    if found[expected == 0].any():
        return 0.0
    if len(law) == 1:
        return 1.0
    if small.any():
        found = np.append(found[~small], found[small].sum())
        expected = np.append(expected[~small], expected[small].sum())
        found, expected = found[expected > 0], expected[expected > 0]
    statistic = float(np.sum((found - expected) ** 2 / expected))
    return float(scipy.stats.chi2.sf(statistic, len(expected) - 1))


def subset_test(draws, V):
    """p-value of the sets themselves."""
    return same_law(counts(draws, V.shape[0]), projection_law(V)) if distinct_test(draws, V) else 0.0


def inclusion_test(draws, V, group=GROUP):
    """p-value of how often each row appears in groups of draws.

    Counts are dependent, so their covariance is taken out. One group tells wrong means; that independent rows scatter
    more is told by the sum over groups.
    """
    n = V.shape[0]
    K = V @ V.conj().T
    leverages = np.diag(K).real
    C = np.diag(leverages) - np.abs(K) ** 2
    inverse, rank = scipy.linalg.pinvh(C, rtol=1e-9), np.linalg.matrix_rank(C, rtol=1e-9)
    statistic = 0.0
    for part in np.split(draws, len(draws) // group):
        delta = (np.bincount(part.ravel(), minlength=n) - group * leverages) / np.sqrt(group)
        statistic += float(delta @ inverse @ delta)
    return float(scipy.stats.chi2.sf(statistic, rank * (len(draws) // group)))


def pair_test(draws, V):
    """Smallest p-value of the pairs, times their number."""
    n, draws_made = V.shape[0], len(draws)
    K = V @ V.conj().T
    seen = np.zeros((draws_made, n))
    np.put_along_axis(seen, draws, 1.0, axis=1)
    first, second = np.triu_indices(n, 1)
    p = (np.diag(K)[first] * np.diag(K)[second]).real - np.abs(K[first, second]) ** 2
    kept = p * draws_made > 5
    together = (seen.T @ seen)[first, second][kept]
    z = (together - draws_made * p[kept]) / np.sqrt(draws_made * p[kept] * (1 - p[kept]))
    return min(1.0, float(np.sum(kept)) * 2 * float(scipy.stats.norm.sf(np.max(np.abs(z)))))


def distinct_test(draws, V):
    """0 where a set names a row twice, else 1."""
    return float(np.all(np.diff(np.sort(draws, axis=1), axis=1) > 0))


def uniform_sets(V, size, rng):
    """Mutant: every set alike."""
    generator = np.random.default_rng(rng)
    return np.argsort(generator.random((size, V.shape[0])), axis=1)[:, : V.shape[1]]


def independent_rows(V, size, rng):
    """Mutant: rows by leverage, independently."""
    leverages = np.sum(np.abs(V) ** 2, axis=1)
    return np.random.default_rng(rng).choice(len(V), (size, V.shape[1]), p=leverages / leverages.sum())


def leverage_without_replacement(V, size, rng):
    """Mutant: rows by leverage one after another, without repeats."""
    leverages = np.sum(np.abs(V) ** 2, axis=1)
    u = np.random.default_rng(rng).random((size, len(V)))
    return np.argsort(np.log(u) / leverages, axis=1)[:, ::-1][:, : V.shape[1]]


def never_downdated(V, size, rng):
    """Mutant: a row is tested against the last accepted one alone."""
    generator = np.random.default_rng(rng)
    n, k = V.shape
    leverages = np.sum(np.abs(V) ** 2, axis=1)
    cumulative = np.cumsum(leverages)
    drawn = np.empty((size, k), np.int64)
    for row in drawn:
        taken = []
        while len(taken) < k:
            i = min(int(np.searchsorted(cumulative, generator.random() * cumulative[-1])), n - 1)
            left = leverages[i]
            if taken:
                left -= abs(V[taken[-1]].conj() @ V[i]) ** 2 / leverages[taken[-1]]
            if i not in taken and generator.random() * leverages[i] < left:
                taken.append(i)
        row[:] = taken
    return drawn


def single_gram_schmidt(V, size, rng):
    """Near-mutant: rows one after another by what one pass of Gram-Schmidt in single precision leaves of them."""
    generator, V = np.random.default_rng(rng), V.astype("complex64" if V.dtype.kind == "c" else "float32")
    n, k = V.shape
    left = np.broadcast_to(np.sum(np.abs(V) ** 2, axis=1), (size, n)).copy()
    C, drawn, each = np.zeros((size, n, k), V.dtype), np.empty((size, k), np.int64), np.arange(size)
    for t in range(k):
        sums = np.cumsum(np.maximum(left, 0.0), axis=1)
        drawn[:, t] = i = np.sum(sums < generator.random((size, 1), np.float32) * sums[:, -1:], axis=1)
        rest = V[i] @ V.conj().T - np.einsum("st,snt->sn", C[each, i, :t].conj(), C[:, :, :t]).conj()
        C[:, :, t] = rest / np.sqrt(left[each, i])[:, None]
        left -= np.abs(C[:, :, t]) ** 2
        left[each, i] = 0.0
    return drawn


def drift(V, rng):
    """Total variation by which the steps of one draw of `single_gram_schmidt` are off, summed over its rows."""
    generator, single, total = np.random.default_rng(rng), V.astype(np.float32), 0.0
    left, C, chosen = np.sum(single**2, axis=1), np.zeros(V.shape, np.float32), []
    for t in range(V.shape[1]):
        Q = np.linalg.qr(V[chosen].T)[0] if chosen else np.zeros((V.shape[1], 0))
        exact = np.sum((V - (V @ Q) @ Q.T) ** 2, axis=1)
        law = np.maximum(left.astype(float), 0.0)
        total += 0.5 * float(np.sum(np.abs(law / law.sum() - exact / exact.sum())))
        i = int(generator.choice(len(V), p=law / law.sum()))
        C[:, t] = (single @ single[i] - C[:, :t] @ C[i, :t]) / np.sqrt(left[i])
        left = left - C[:, t] ** 2
        left[i] = 0.0
        chosen.append(i)
    return total


MUTANTS = {
    "uniform": uniform_sets,
    "leverage, independent": independent_rows,
    "leverage, no repeats": leverage_without_replacement,
    "last row alone": never_downdated,
}
TESTS = {"sets": subset_test, "inclusions": inclusion_test, "pairs": pair_test, "distinct": distinct_test}
NEAR = {"single precision, one pass": single_gram_schmidt}


def power_table(sampler, sizes=(2_000, 20_000), repeats=20):
    """Share of `repeats` seeds at which each test rejects each sampler: rows (test, N, sampler, share).

    Sets are tested on 8 rows and k = 3, inclusions and pairs on 30 rows and k = 5.
    """
    rows = []
    for name, test in TESTS.items():
        V = orthonormal(8, 3, 1) if name == "sets" else orthonormal(30, 5, 1)
        for size in sizes:
            for label, draw in {"exact": sampler, **MUTANTS, **NEAR}.items():
                rejected = [test(draw(V, size, seed), V) < REJECT for seed in range(repeats)]
                rows.append((name, size, label, float(np.mean(rejected))))
    return rows
