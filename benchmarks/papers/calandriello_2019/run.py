"""Bandits with a budgeted Gaussian process: ``python -m benchmarks.papers.calandriello_2019.run``.

Reproduces the comparison of Calandriello et al. (2019) on a surrogate of their data: cumulative regret, number of
inducing points and time of BKB against GP-UCB with the exact posterior and against uniform pulls.
"""

import math
import time

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study

ARMS, DIM, LENGTH = 4177, 8, 4.0
NOISE, RIDGE, NORM, DELTA = 0.1, 0.1**2, 10.0, 0.1
BUDGETS = (2.0, 5.0)
COLUMNS = ("regret", "half_regret", "inducing", "inducing_at_half", "seconds", "seconds_of_first_half")
SLACK = 0.25  # a tie that rounding decides changes the pulls that follow


def kernel(x, y):
    """Gaussian kernel of the arms."""
    squares = -2.0 * (x @ y.T)
    squares += (x * x).sum(axis=1)[:, None]
    squares += (y * y).sum(axis=1)[None, :]
    return np.exp(-0.5 / LENGTH**2 * np.maximum(squares, 0.0))


def problem(seed=0, arms=ARMS):
    """Arms and their mean rewards: a function of norm `NORM` in the space of the kernel."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((arms, DIM)) @ np.diag(np.geomspace(1.5, 0.1, DIM))
    centres = X[generator.choice(arms, 30, replace=False)]
    weights = generator.standard_normal(30)
    weights *= NORM / math.sqrt(weights @ kernel(centres, centres) @ weights)
    return X, kernel(X, centres) @ weights


class Pulls:
    """How often each arm was pulled, in the order of first pulls, and the mean of its rewards."""

    def __init__(self):
        self.arms, self.counts, self.sums = [], [], []
        self._place = {}

    def add(self, arm, reward):
        """Record one pull."""
        if arm not in self._place:
            self._place[arm] = len(self.arms)
            self.arms.append(arm)
            self.counts.append(0.0)
            self.sums.append(0.0)
        self.counts[self._place[arm]] += 1.0
        self.sums[self._place[arm]] += reward

    def data(self, X):
        """Points, mean rewards and counts."""
        counts = np.asarray(self.counts)
        return X[self.arms], np.asarray(self.sums) / counts, counts


def confidence(t, pulled_variance, counts):
    """Factor of the standard deviation (in units of the noise), as in the reference code."""
    information = math.log(max(t, 2)) * float(counts @ pulled_variance)
    return math.sqrt(RIDGE) * NORM + NOISE * math.sqrt(information + math.log(1.0 / DELTA))


def play(X, means, steps, posterior, seed):
    """Cumulative regret, inducing points and seconds after each step; `posterior` None pulls uniformly."""
    generator, pulls = np.random.default_rng(seed), Pulls()
    regret, sizes, seconds, start = [], [], [], time.perf_counter()
    arm = int(generator.integers(len(X)))
    for t in range(1, steps + 1):
        pulls.add(arm, means[arm] + NOISE * generator.standard_normal())
        regret.append(means.max() - means[arm])
        if posterior is None:
            arm = int(generator.integers(len(X)))
        else:
            points, rewards, counts = pulls.data(X)
            mean, std = posterior.fit(points, rewards, counts).predict(X)
            scaled = std / math.sqrt(RIDGE)
            arm = int(np.argmax(mean + confidence(t, scaled[pulls.arms] ** 2, counts) * scaled))
            sizes.append(len(posterior.inducing))
        seconds.append(time.perf_counter() - start)
    return np.cumsum(regret), sizes, seconds


def bkb(budget, seed):
    """BKB's posterior; an infinite budget keeps every pulled arm, which is the exact posterior."""
    return lr.NystromPosterior(kernel, ridge=RIDGE, budget=budget, diag=1.0, rng=seed)


def compare(arms, steps, seeds):
    """Mean over seeds of the figures of each algorithm."""
    X, means = problem(arms=arms)
    players = {"uniform": None, "GP-UCB": 1e12} | {f"BKB, budget {budget:g}": budget for budget in BUDGETS}
    table = []
    for name, budget in players.items():
        runs = [play(X, means, steps, None if budget is None else bkb(budget, seed), seed) for seed in range(seeds)]
        curve = np.mean([regret for regret, _, _ in runs], axis=0)
        row = {"player": name, "steps": steps, "regret": float(curve[-1]), "half_regret": float(curve[steps // 2 - 1])}
        row["seconds"] = float(np.mean([seconds[-1] for _, _, seconds in runs]))
        row["seconds_of_first_half"] = float(np.mean([seconds[steps // 2 - 1] for _, _, seconds in runs]))
        if budget is not None:
            row["inducing"] = float(np.mean([sizes[-1] for _, sizes, _ in runs]))
            row["inducing_at_half"] = float(np.mean([sizes[steps // 2 - 1] for _, sizes, _ in runs]))
        every = max(1, steps // 100)
        reached = [round(float(value), 2) for value in curve[every - 1 :: every]]
        table.append(row | {"every": every, "curve": [0.0, *reached]})
        print(f"| {name} | " + " | ".join(f"{row.get(key, math.nan):.1f}" for key in COLUMNS) + " |", flush=True)
    return table


def problems(table):
    """What the reproduction must show and does not."""
    rows = {row["player"]: row for row in table}
    exact, uniform, wrong = rows["GP-UCB"], rows["uniform"], []
    for budget in BUDGETS:
        row = rows[f"BKB, budget {budget:g}"]
        if row["regret"] > 1.5 * exact["regret"]:
            wrong.append(f"{row['player']}: regret {row['regret']:.0f}, exact {exact['regret']:.0f}")
        if row["regret"] > 0.5 * uniform["regret"]:
            wrong.append(f"{row['player']}: regret {row['regret']:.0f}, uniform {uniform['regret']:.0f}")
        if row["inducing"] > 1.4 * row["inducing_at_half"]:
            grown = f"{row['inducing_at_half']} to {row['inducing']}"
            wrong.append(f"{row['player']}: inducing points grow like the pulls, {grown}")
        if row["inducing"] >= exact["inducing"]:
            wrong.append(f"{row['player']}: {row['inducing']} inducing points, {exact['inducing']} arms were pulled")
    return wrong


def differences(table, expected):
    """What is more than `SLACK` away from what is expected."""
    rows = {row["player"]: row for row in table}
    return [
        f"{row['player']}: {key} {rows[row['player']][key]:.1f}, expected {row[key]:.1f}"
        for row in expected
        for key in ("regret", "inducing")
        if key in row and abs(rows[row["player"]][key] / row[key] - 1.0) > SLACK
    ]


def figure(table):
    """Cumulative regret against pulls."""
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for row in table:
        axes.plot(row["every"] * np.arange(len(row["curve"])), row["curve"], label=row["player"])
    axes.set(xlabel="pulls", ylabel="cumulative regret")
    axes.legend()
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"arms": 1000, "steps": 400, "seeds": 1},
        "medium": {"arms": ARMS, "steps": 1000, "seeds": 3},
    },
    compare,
    problems,
    differences,
    figure,
    head="player | regret | at half | inducing points | at half | seconds | of the first half",
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
