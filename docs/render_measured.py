"""Tables of measured figures inside of the guides, from the same stored results as the page of benchmarks."""

import benchmark_tables as tables
import render_benchmarks

MISSING = "Not measured yet: `python -m benchmarks.{}` stores what belongs here."


def directions():
    """Frequent Directions by the size of the buffer: memory, bound, error and rate."""
    problems = (render_benchmarks.load("streaming") or {}).get("problems", {})
    if not {"sizes", "sketches"} <= problems.keys():
        return MISSING.format("bench_streaming") + "\n"
    rates = {row["contender"]: row["rows_per_second"] for row in problems["sketches"]["rows"]}
    lines = tables.headed(
        ">`buffer`", ">kept always", ">rows that may wait", ">`delta` / ‖A‖_F²", ">true error", ">k rows/s, two threads"
    )
    for row in problems["sizes"]["rows"]:
        buffer = row["contender"].split()[2]
        rate = rates.get(f"FrequentDirections, buffer {buffer}")
        lines.append(
            f"| {buffer} | {row['state_kilobytes']:.0f} kB | {row['waiting_kilobytes']:.0f} kB | {row['delta']:.1e} "
            f"| {row['true']:.1e} | {'–' if rate is None else f'{rate / 1e3:.0f}'} |"
        )
    plain = next(rate for name, rate in rates.items() if name.startswith("row-wise"))
    return "\n".join(
        [*lines, "", f"A script that goes row by row with a buffer of 80 made {plain / 1e3:.0f} k rows/s.", ""]
    )


def larger_than_memory():
    """Seconds and rates of a singular value decomposition of a memory map and of a Dask array."""
    problems = (render_benchmarks.load("blocks") or {}).get("problems", {})
    if not {"map", "dask"} <= problems.keys():
        return MISSING.format("bench_blocks") + "\n"
    lines = tables.headed("data", "call", ">time", ">rate", ">of the smaller of reading and multiplying")
    for row in problems["map"]["rows"]:
        call = "`lr.svd(A, 20)`" if row["reads"] == 1 else f"`lr.svd(A, 20, passes={row['reads']})`"
        rate, share = f"{row['bytes_per_second'] / 1e9:.1f} GB/s", f"{row['share_of_smaller']:.0%}"
        lines.append(f"| {problems['map']['title']} | {call} | {row['seconds']:.1f} s | {rate} | {share} |")
    for row in problems["dask"]["rows"]:
        lines.append(f"| {problems['dask']['title']} | {row['contender']} | {row['seconds']:.2f} s | | |")
    return "\n".join([*lines, ""])
