"""Tables of measured rows: which figures have a column, and how they are written."""

FIGURES = {
    "setting": ("setting", str),
    "error": ("error", "{:.1e}".format),
    "reported": ("error it reports", "{:.1e}".format),
    "error_over_best": ("error over the best possible", "{:.3f}".format),
    "rmse": ("error of a rating", "{:.4f}".format),
    "over_products": ("over the fastest two products", "{:.2f}".format),
    "nanoseconds": ("an entry and column", "{:.2f} ns".format),
    "columns": ("columns", "{:.0f}".format),
    "law_p_value": ("p value of its law", "{:.2f}".format),
    "prepare_seconds": ("preparation", "{:.3g} s".format),
    "extra_megabytes": ("extra memory", "{:.0f} MB".format),
    "extra_share": ("extra memory over the data", "{:.2f}".format),
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
    "seconds_alone": ("a call alone after a pause", lambda value: f"{1e3 * value:.3g} ms"),
    "over_dense": ("over the dense transform", "{:.2f}".format),
    "over_c": ("over hand-written C", "{:.2f}".format),
    "right": ("right", lambda value: {"True": "yes", "False": "no"}.get(str(value), str(value))),
    "samples": ("values", "{:,.0f}".format),
    "values_over_least": ("values / K(n + 3)", "{:.2f}".format),
    "ratio": ("over the best peer", "{:.2g}".format),
}
WORDS = frozenset({"setting", "right"})


def headed(*columns):
    """The two lines that begin a table; a column named with a leading ``>`` holds numbers and is aligned right."""
    names = [column.removeprefix(">") for column in columns]
    rules = ["---:" if column.startswith(">") else "---" for column in columns]
    return [f"| {' | '.join(names)} |", f"|{'|'.join(rules)}|"]


def table(rows, *, ordered=False):
    """Lines of a table with the figures that any of the rows has; ours and the fastest first unless in order."""
    if all("aim" in row for row in rows):
        return aims(rows)
    best = fastest_peer(rows)
    rows = [_completed(row, best) for row in rows]
    rows = rows if ordered else sorted(rows, key=lambda row: (not row["ours"], cost(row) or float("inf")))
    figures = [key for key in FIGURES if any(_known(row, key) for row in rows)]
    timed, noted = any(row.get("seconds") for row in rows), any(row["note"] for row in rows)
    head = ["contender", *([">time", ">95 % interval"] if timed else [])]
    head += [FIGURES[key][0] if key in WORDS else f">{FIGURES[key][0]}" for key in figures]
    lines = headed(*head, *(["note"] if noted else []))
    for row in rows:
        cells = [f"**{row['contender']}**" if row["ours"] else row["contender"], *(times(row) if timed else [])]
        cells += [_cell(row, key) for key in figures] + ([row["note"]] if noted else [])
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def aims(rows):
    """Lines of a table of figures beside what they were to reach; what was missed is bold."""
    lines = headed("figure", ">found", ">aim", "")
    for row in rows:
        lines.append(
            f"| {row['contender']} | {row['found']} | {row['aim']} | {'met' if row['met'] else '**missed**'} |"
        )
    return lines


def cost(row):
    """Seconds of a row, or of one of its rows of data where a rate was measured; None where neither was."""
    if row.get("seconds"):
        return row["seconds"]
    return 1.0 / row["rows_per_second"] if row.get("rows_per_second") else None


def is_limit(row):
    """Whether a row is a lower bound of the time, such as reading the data, and no answer of a peer."""
    return row["contender"].startswith("limit") or row["contender"].endswith("two products")


def fastest_peer(rows):
    """The fastest peer that is accurate enough, or None."""
    peers = [row for row in rows if not row["ours"] and not is_limit(row)]
    return min((row for row in peers if row.get("accurate", True) and cost(row)), key=cost, default=None)


def times(row):
    """Median and interval of a row, in words."""
    if not row.get("seconds"):
        return "–", ""
    low, high = (row.get(f"seconds_{end}") for end in ("low", "high"))
    several = low and high and row.get("runs", 2) > 1 and low != high
    return seconds(row["seconds"]), f"{seconds(low)} to {seconds(high)}" if several else "one run"


def seconds(value):
    """A time in milliseconds or seconds."""
    return "–" if value is None else f"{1e3 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def number(value):
    """A figure with three digits, and no power of ten before it needs one."""
    if value is None:
        return "–"
    return str(value) if not isinstance(value, float) else f"{value:,.0f}" if 1e3 <= value < 1e9 else f"{value:.3g}"


def _completed(row, best):
    """A row with the ratios of its figures, and what is to be said of it."""
    found = {"note": "" if row.get("reported") is not None else row.get("note") or row.get("failure") or ""}
    if row.get("dense"):
        found["over_dense"] = row["seconds"] / row["dense"]
    if row.get("ns_in_c"):
        found["over_c"] = row["ns_a_number"] / row["ns_in_c"]
    if best and cost(row) and not is_limit(row):
        found["ratio"] = row.get("ratio_to_best_peer") or cost(row) / cost(best)
    elif "ratio" in row:
        found["ratio"] = None
    return row | found


def _known(row, key):
    return row.get(key) not in (None, "")


def _cell(row, key):
    """One figure of a row; an error that is too large to count is in brackets."""
    if not _known(row, key):
        return "–"
    text = FIGURES[key][1](row[key])
    return f"({text})" if key == "error" and not row.get("accurate", True) else text
