"""Tables of the benchmark results; ``python docs/render_benchmarks.py`` puts the summary into the README."""

import json
from pathlib import Path

import benchmark_tables as tables

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
START, END = "<!-- benchmarks: start -->", "<!-- benchmarks: end -->"
ROOMS = {
    "factor": "Decompositions",
    "sampling": "Scores and row sampling",
    "dpp": "Exact samplers",
    "skeleton": "Skeletons",
    "solve": "Least squares",
    "completion": "Matrix completion",
    "ratings": "Ratings",
    "robust": "Robust principal components",
    "recover": "Linear measurements",
    "blocks": "Larger than memory",
    "streaming": "Streams of rows",
    "tensors": "Tensors",
    "transforms": "Walsh-Hadamard transforms",
    "sparse_wht": "Sparse Walsh-Hadamard transforms",
}
_FULL = ("largest σ error", "time", "95 % interval", "first call", "extra memory", "ratio")
EXTRAS = {
    "import_time": "import, seconds",
    "cold_start": "cold start, seconds",
    "overhead": "one call of a 50×40 matrix, microseconds",
    "centred_pca": "centred PCA, seconds (error of the values)",
    "axes": "another axis: time over that of rows that lie together",
    "blocks_over_copy": "rotation in blocks: time over that of a copy",
    "threads_gain": "times as fast with two threads, in a run of calls: median of rounds",
    "threads_gain_of_halves": "times as fast two independent halves are, one a processor, in the same rounds",
    "threads_gain_on_whole_cores": "times as fast with two threads in rounds in which the halves gain 1.8 at least",
    "threads_rounds_on_whole_cores": "such rounds",
    "threads_rounds": "rounds",
    "threads_alone": "times as fast with two threads, a call alone after a pause",
    "microseconds_a_call": "microseconds of a call on 16 numbers",
    "trimmed_over_full": "SRHT that forms only the rows it keeps: time over that of the whole transform",
}
NOT_YET = "No benchmark results are stored yet; `python -m benchmarks.bench_factor` measures and stores them."


def summary(payload):
    """One row a problem: our time beside the fastest peer that is accurate enough."""
    lines = [
        f"Time until every singular value is right to {payload['target']:g} (relative), median of alternated runs.",
        "",
        *tables.headed(
            "", "problem", ">rank", ">lowrank_la", "method", "fastest accurate peer", ">peer's time", ">ratio"
        ),
    ]
    for letter, problem in payload["problems"].items():
        own, peer = _fastest_of_ours(problem), tables.fastest_peer(problem["rows"])
        method = (problem.get("ours") or {}).get("method", "")
        ratio = f"{own['seconds'] / peer['seconds']:.2f}" if own and peer else "–"
        lines.append(
            f"| {letter} | {problem['title']} | {problem['rank']} | {_time(own)}{_setting(own)} | {method} "
            f"| {_who(peer)} | {_time(peer)} | {ratio} |"
        )
    if payload.get("geometric_mean_ratio"):
        lines += [
            "",
            f"Geometric mean of the ratios: **{payload['geometric_mean_ratio']:.2f}** (below 1: we are faster).",
        ]
    return "\n".join([*lines, "", _machine(payload["machine"])])


def full(payload):
    """Every contender of every problem."""
    parts = []
    for letter, problem in payload["problems"].items():
        parts += [
            f"### ({letter}) {problem['title']}, rank {problem['rank']}",
            "",
            *tables.headed("contender", "setting", *(f">{name}" for name in _FULL)),
            *(_line(row) for row in sorted(problem["rows"], key=_order)),
            "",
        ]
    return "\n".join(parts)


def extras(payload):
    """Measurements beside the problems: tall QR, memory, overhead, import; axes, threads and blocks of a transform."""
    found = payload.get("extras") or {}
    groups = {name: figures for name, figures in found.items() if isinstance(figures, dict)}
    single = {EXTRAS.get(name, name): value for name, value in found.items() if not isinstance(value, dict)}
    groups |= {"other figures": single} if single else {}
    parts = []
    for name, figures in groups.items():
        rows = (f"| {label} | {tables.number(value)} |" for label, value in figures.items())
        parts += [f"### {EXTRAS.get(name, name.replace('_', ' '))}", "", *tables.headed("", "> "), *rows, ""]
    return "\n".join(parts)


def overview():
    """One row a problem that has a peer: our time beside that of the fastest accurate one, wins and losses alike."""
    head = ("", "problem", "lowrank_la", ">time", "fastest accurate peer", ">time", ">ratio")
    lines, ratios = tables.headed(*head), []
    for room, title in ROOMS.items():
        for key, problem in ((load(room) or {}).get("problems") or {}).items():
            own, peer = _first(problem), tables.fastest_peer(problem["rows"])
            if own and peer:
                ratios.append(tables.cost(own) / tables.cost(peer))
                cells = [problem.get("title", key), own["contender"], _pace(own), peer["contender"], _pace(peer)]
                shown = f"{ratios[-1]:.2g}" if ratios[-1] < 1.0 else f"**{ratios[-1]:.2g}**"
                lines.append(f"| [{title}](#{_anchor(title)}) | {' | '.join(cells)} | {shown} |")
    slower = sum(ratio >= 1.0 for ratio in ratios)
    told = (
        "A ratio is our time over that of the fastest peer whose answer is accurate enough. Of ours the default is "
        f"shown, or the first of the table. Faster on {len(ratios) - slower} problems, slower on {slower} (in bold)."
    )
    missing = [f"`bench_{room}`" for room in ROOMS if load(room) is None]
    left = f" No whole run is stored yet of {', '.join(missing)}." if missing else ""
    return "\n".join([told + left, "", *lines])


def _first(problem):
    """Our default contender, or our first that is accurate."""
    rows = [row for row in problem["rows"] if row["ours"] and not tables.is_limit(row)]
    rows = [row for row in rows if row.get("accurate", True) and tables.cost(row)]
    return next((row for row in rows if row.get("default")), rows[0] if rows else None)


def _anchor(title):
    return title.lower().replace(" ", "-")


def rooms():
    """One section a benchmark of the other rooms, stored or not."""
    parts = []
    for name, title in list(ROOMS.items())[1:]:
        payload = load(name)
        command = f"`python -m benchmarks.bench_{name}`"
        if payload is None:
            parts += [f"## {title}", "", f"No whole run is stored yet; {command} measures.", ""]
            continue
        parts += [f"## {title}", "", f"{command}. {_machine(payload['machine'])}", ""]
        for key, problem in payload["problems"].items():
            parts += [
                f"### {problem.get('title', key)}",
                "",
                *tables.table(problem["rows"], ordered=problem.get("ordered", False)),
                "",
            ]
        parts += [extras(payload)]
    return "\n".join(parts)


def load(name="factor"):
    """Return the stored results of one benchmark, or None."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def fill_readme():
    """Put the summary between the two marks of the README."""
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(START)
    _, tail = rest.split(END)
    payload = load()
    table = summary(payload) if payload else NOT_YET
    README.write_text(f"{head}{START}\n{table}\n{END}{tail}", encoding="utf-8")


def _fastest_of_ours(problem):
    rows = [row for row in problem["rows"] if row["ours"] and row.get("accurate", True) and row.get("seconds")]
    return min(rows, key=lambda row: row["seconds"], default=None)


def _order(row):
    return (not row["ours"], not row["accurate"], row["seconds"] or float("inf"))


def _line(row):
    error = "–" if row["error"] is None else f"{row['error']:.0e}"
    if not row["seconds"]:
        return f"| {row['contender']} | {row['setting']} | {error} | {row['note']} | | | | |"
    _, interval = tables.times(row)
    memory = "–" if row["extra_megabytes"] is None else f"{row['extra_megabytes']:.0f} MB"
    ratio = "–" if row["ratio_to_best_peer"] is None else f"{row['ratio_to_best_peer']:.2f}"
    name = f"**{row['contender']}**" if row["ours"] else row["contender"]
    error = error if row["accurate"] else f"({error})"
    return (
        f"| {name} | {row['setting']} | {error} | {_time(row)} | {interval} "
        f"| {tables.seconds(row['cold_seconds'])} | {memory} | {ratio} |"
    )


def _who(row):
    return f"{row['contender']} ({row['setting']})" if row else "none"


def _setting(row):
    return f" ({row['setting']})" if row and not row["default"] else ""


def _time(row):
    return tables.seconds(row["seconds"]) if row else "not reached"


def _pace(row):
    """The time of a row, or its rate where that was measured."""
    return _time(row) if row.get("seconds") else f"{row['rows_per_second']:,.0f} rows/s"


def _machine(machine):
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"Measured on {machine['processor']}, {machine['threads']} threads; {versions}."


if __name__ == "__main__":
    fill_readme()
