"""Tables of the benchmark results; ``python docs/render_benchmarks.py`` puts the summary into the README."""

import json
from pathlib import Path

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
FIGURES = {
    "setting": ("setting", str),
    "error": ("error", "{:.1e}".format),
    "error_over_best": ("error over the best possible", "{:.3f}".format),
    "rmse": ("error of a rating", "{:.4f}".format),
    "over_products": ("over the fastest two products", "{:.2f}".format),
    "nanoseconds": ("an entry and column", "{:.2f} ns".format),
    "columns": ("columns", "{:.0f}".format),
    "law_p_value": ("p value of its law", "{:.2f}".format),
    "prepare_seconds": ("preparation", "{:.3g} s".format),
    "extra_megabytes": ("extra memory", "{:.0f} MB".format),
    "rows_per_second": ("rows a second", "{:,.0f}".format),
    "angle": ("angle", "{:.1e}".format),
    "reads": ("reads", "{:.0f}".format),
    "times_peer": ("times as fast as the peer's default", "{:.2f}".format),
    "share_of_smaller": ("of the smaller of reading and multiplying", "{:.0%}".format),
    "anonymous_megabytes": ("anonymous memory", "{:.0f} MB".format),
    "delta": ("bound over ‖A‖²", "{:.1e}".format),
    "true": ("true over ‖A‖²", "{:.1e}".format),
    "waiting_kilobytes": ("rows that may wait", "{:.0f} kB".format),
    "ns_a_number": ("a number", "{:.3f} ns".format),
    "ns_in_c": ("in hand-written C", "{:.3f} ns".format),
    "ns_copying": ("copying", "{:.3f} ns".format),
    "over_dense": ("over the dense transform", "{:.2f}".format),
    "over_c": ("over hand-written C", "{:.2f}".format),
    "right": ("right", str),
    "samples": ("values", "{:,.0f}".format),
    "values_over_least": ("values / K(n + 3)", "{:.2f}".format),
}
NOT_YET = "No benchmark results are stored yet; `python -m benchmarks.bench_factor` measures and stores them."


def summary(payload):
    """One row a problem: our time beside the fastest peer that is accurate enough."""
    lines = [
        f"Time until every singular value is right to {payload['target']:g} (relative), median of alternated runs.",
        "",
        "| | problem | rank | lowrank_la | method | fastest accurate peer | peer's time | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for letter, problem in payload["problems"].items():
        own, peer = _fastest(problem, ours=True), _fastest(problem, ours=False)
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
            "| contender | setting | largest σ error | time | 95 % interval | first call | extra memory | ratio |",
            "|---|---|---|---|---|---|---|---|",
            *(_line(row) for row in sorted(problem["rows"], key=_order)),
            "",
        ]
    return "\n".join(parts)


def extras(payload):
    """Measurements beside the problems: tall QR, memory, overhead, import."""
    parts = []
    for name, found in (payload.get("extras") or {}).items():
        rows = (f"| {label} | {_value(value)} |" for label, value in found.items())
        parts += [f"### {name.replace('_', ' ')}", "", "| | |", "|---|---|", *rows, ""]
    return "\n".join(parts)


def overview():
    """One row a problem that has a peer: our time beside that of the fastest accurate one, wins and losses alike."""
    head = ("", "problem", "lowrank_la", "time", "fastest accurate peer", "time", "ratio")
    lines, ratios = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"], []
    for room, title in ROOMS.items():
        for key, problem in ((load(room) or {}).get("problems") or {}).items():
            own, peer = _first(problem), _fastest(problem, ours=False)
            if own and peer:
                ratios.append(own["seconds"] / peer["seconds"])
                cells = [problem.get("title", key), own["contender"], _time(own), peer["contender"], _time(peer)]
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
    rows = [row for row in problem["rows"] if row["ours"] and row.get("accurate", True) and row.get("seconds")]
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
                *_table(problem["rows"], problem.get("ordered", False)),
                "",
            ]
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


def _table(rows, ordered):
    """Lines of a table with the figures that any of the rows has; ours and the fastest first unless in order."""
    rows = [row | _ratios(row) for row in rows]
    figures = [key for key in FIGURES if any(row.get(key) not in (None, "") for row in rows)]
    head = ["contender", "time", "95 % interval", *(FIGURES[key][0] for key in figures)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    rows = rows if ordered else sorted(rows, key=lambda row: (not row["ours"], row.get("seconds") or float("inf")))
    for row in rows:
        name = f"**{row['contender']}**" if row["ours"] else row["contender"]
        cells = [name, *_times(row)]
        cells += ["–" if row.get(key) in (None, "") else FIGURES[key][1](row[key]) for key in figures]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _ratios(row):
    """Ratios of two figures of one row."""
    found = {}
    if row.get("dense"):
        found["over_dense"] = row["seconds"] / row["dense"]
    if row.get("ns_in_c"):
        found["over_c"] = row["ns_a_number"] / row["ns_in_c"]
    return found


def _times(row):
    if not row.get("seconds"):
        return row.get("note") or row.get("failure") or "–", ""
    low, high = (row.get(f"seconds_{end}") for end in ("low", "high"))
    interval = f"{_milliseconds(low)} to {_milliseconds(high)}" if low and high else "one run"
    return _milliseconds(row["seconds"]), interval


def _fastest(problem, *, ours):
    rows = [row for row in problem["rows"] if row["ours"] == ours and row.get("accurate", True) and row.get("seconds")]
    return min(rows, key=lambda row: row["seconds"], default=None)


def _order(row):
    return (not row["ours"], not row["accurate"], row["seconds"] or float("inf"))


def _line(row):
    error = "–" if row["error"] is None else f"{row['error']:.0e}"
    if not row["seconds"]:
        return f"| {row['contender']} | {row['setting']} | {error} | {row['note']} | | | | |"
    interval = f"{_milliseconds(row['seconds_low'])} to {_milliseconds(row['seconds_high'])}"
    memory = "–" if row["extra_megabytes"] is None else f"{row['extra_megabytes']:.0f} MB"
    ratio = "–" if row["ratio_to_best_peer"] is None else f"{row['ratio_to_best_peer']:.2f}"
    name = f"**{row['contender']}**" if row["ours"] else row["contender"]
    error = error if row["accurate"] else f"({error})"
    return (
        f"| {name} | {row['setting']} | {error} | {_time(row)} | {interval} "
        f"| {_milliseconds(row['cold_seconds'])} | {memory} | {ratio} |"
    )


def _value(value):
    return f"{value:.3g}" if isinstance(value, float) else "–" if value is None else str(value)


def _who(row):
    return f"{row['contender']} ({row['setting']})" if row else "none"


def _setting(row):
    return f" ({row['setting']})" if row and not row["default"] else ""


def _time(row):
    return _milliseconds(row["seconds"]) if row else "not reached"


def _milliseconds(seconds):
    return "–" if seconds is None else f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _machine(machine):
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"Measured on {machine['processor']}, {machine['threads']} threads; {versions}."


if __name__ == "__main__":
    fill_readme()
