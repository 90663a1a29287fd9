"""Value iteration on a low-rank Q: ``python -m benchmarks.papers.shah_2020.run``.

An inverted pendulum with states on a grid of angles and speeds and a grid of torques. Each sweep of ordinary value
iteration computes Q at all pairs of state and torque; the low-rank one at all torques of a few anchor states and all
states of a few anchor torques, and estimates the rest with `lowrank_la.anchor_estimate` (Shah, Song, Xu and Yang 2020).
"""

import numpy as np

import lowrank_la as lr
from benchmarks.papers.study import Study

DISCOUNT = 0.9
SPEED = 5.0
TORQUE = 1.0
STEP = 0.3
SWEEPS = 40
RANKS = (3, 6, 10)


class Pendulum:
    """Angles and speeds on a grid; a move goes to the four grid points around where it ends."""

    def __init__(self, side, torques):
        self.side = side
        angles = np.linspace(-np.pi, np.pi, side, endpoint=False)
        speeds = np.linspace(-SPEED, SPEED, side)
        self.angles, self.speeds = (x.ravel() for x in np.meshgrid(angles, speeds, indexing="ij"))
        self.torques = np.linspace(-TORQUE, TORQUE, torques)

    @property
    def shape(self):
        return self.angles.size, self.torques.size

    def sample(self, values, states, actions):
        """Reward plus discounted value after one move, for the states times the torques numbered."""
        angle, speed = self.angles[states][:, None], self.speeds[states][:, None]
        torque = self.torques[actions][None, :]
        moved = np.clip(speed + STEP * (np.sin(angle) + torque), -SPEED, SPEED)
        turned = angle + STEP * moved
        reward = -0.1 * (1.0 - np.cos(angle)) - 0.001 * speed**2 - 0.001 * torque**2
        return reward + DISCOUNT * self._interpolated(values, turned, moved)

    def _interpolated(self, values, angle, speed):
        grid = values.reshape(self.side, self.side)
        x = (angle + np.pi) / (2.0 * np.pi) * self.side
        y = (speed + SPEED) / (2.0 * SPEED) * (self.side - 1)
        i, j = np.floor(x).astype(int), np.minimum(np.floor(y).astype(int), self.side - 2)
        a, b = x - i, y - j
        low, high = i % self.side, (i + 1) % self.side
        return (1 - a) * ((1 - b) * grid[low, j] + b * grid[low, j + 1]) + a * (
            (1 - b) * grid[high, j] + b * grid[high, j + 1]
        )


def exact(task, sweeps=SWEEPS):
    """Q of ordinary value iteration after each sweep."""
    values, found = np.zeros(task.shape[0]), []
    everything = [np.arange(size) for size in task.shape]
    for _ in range(sweeps):
        Q = task.sample(values, *everything)
        values = Q.max(axis=1)
        found.append(Q)
    return found


def low_rank(task, reference, rank, seed, sweeps=SWEEPS, noise=0.0):
    """Largest errors after each sweep, and the share of pairs that were sampled."""
    generator, values = np.random.default_rng(seed), np.zeros(task.shape[0])
    states, actions = (np.arange(size) for size in task.shape)
    rows, cols = (np.asarray(x) for x in lr.select_anchors(reference[-1], 4 * rank, rank=rank, rng=seed))
    errors = []
    for _ in range(sweeps):

        def drawn(values, *places):
            Q = task.sample(values, *places)
            return Q + noise * generator.uniform(-1, 1, Q.shape)

        along, across = drawn(values, rows, actions), drawn(values, states, cols)
        U, V = lr.anchor_estimate(along, across, across[rows], rank=rank)
        Q = U @ V.T
        values = Q.max(axis=1)
        errors.append(float(np.abs(Q - reference[-1]).max()))
    sampled = (rows.size * actions.size + cols.size * (states.size - rows.size)) / (states.size * actions.size)
    return errors, sampled


def experiment(side, torques):
    task = Pendulum(side, torques)
    reference = exact(task, 100)
    size = float(np.abs(reference[-1]).max())
    rows = []
    plain = [float(np.abs(Q - reference[-1]).max()) / size for Q in reference[:SWEEPS]]
    for rank in RANKS:
        for noise in (0.0, 1e-3):
            errors, sampled = low_rank(task, reference, rank, 0, noise=noise * size)
            rows.append({"rank": rank, "noise": noise, "sampled": sampled, "errors": [e / size for e in errors]})
            print(f"| {rank} | {noise:g} | {sampled:.1%} | {rows[-1]['errors'][-1]:.1e} |")
    print(f"all pairs: {plain[-1]:.1e}")
    return {"plain": plain, "low_rank": rows}


def problems(found):
    """What the figure must show and does not."""
    wrong, plain = [], found["plain"]
    for row in found["low_rank"]:
        if row["sampled"] > 0.3:
            wrong.append(f"rank {row['rank']}: {row['sampled']:.0%} of the pairs were sampled")
        slopes = [np.polyfit(np.arange(10), np.log(errors[:10]), 1)[0] for errors in (row["errors"], plain)]
        if abs(slopes[0] - slopes[1]) > 0.05:
            wrong.append(
                f"rank {row['rank']}: the error falls by {np.exp(slopes[0]):.3f} a sweep, not {np.exp(slopes[1]):.3f}"
            )
    ends = [row["errors"][-1] for row in found["low_rank"] if row["noise"] == 0.0]
    if not all(later < earlier for earlier, later in zip(ends, ends[1:], strict=False)) or ends[-1] > 2e-2:
        wrong.append(f"the last errors do not fall with the rank, to 2e-2 at most: {ends}")
    return wrong


def differences(found, expected):
    """Last errors that are not those expected, within a factor of two."""
    pairs = [
        (a, a["errors"][-1], b["errors"][-1]) for a, b in zip(found["low_rank"], expected["low_rank"], strict=True)
    ]
    return [
        f"rank {row['rank']} ends at {last:.1e}, expected {before:.1e}"
        for row, last, before in pairs
        if not 0.5 < last / before < 2.0
    ]


def figure(found):
    """Errors against sweeps."""
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(figsize=(5.0, 3.4), layout="constrained")
    axes.semilogy(found["plain"], "k--", label="all pairs")
    for row in found["low_rank"]:
        style = "-" if row["noise"] == 0.0 else ":"
        label = f"rank {row['rank']}, {row['sampled']:.0%}" if row["noise"] == 0.0 else None
        axes.semilogy(row["errors"], style, color=f"C{RANKS.index(row['rank'])}", label=label)
    axes.set(xlabel="sweeps", ylabel="largest error of Q over max|Q|", title="dotted: noise of 0.001 max|Q|")
    axes.legend()
    return drawn


STUDY = Study(
    __file__,
    __doc__,
    {
        "quick": {"side": 24, "torques": 200},
        "medium": {"side": 30, "torques": 240},
        "full": {"side": 50, "torques": 400},
    },
    experiment,
    problems,
    differences,
    figure,
    head="rank | noise | sampled | last error",
)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
