"""The page of reproduced experiments, from the folders and the table of the last whole run."""

import re
from pathlib import Path

import render_benchmarks

PAPERS = Path(__file__).resolve().parents[1] / "benchmarks" / "papers"


def page():
    """Table of what was reproduced, and what every folder says of itself."""
    folders = sorted(path.parent for path in PAPERS.glob("*/README.md"))
    return "\n\n".join([_table(), *(_section(folder) for folder in folders)]) + "\n"


def _table():
    rows = render_benchmarks.load("papers") or []
    if not rows:
        return "No whole run is stored yet."
    lines = ["| experiment | claim | reproduced | seconds |", "|---|---|---|---|"]
    for row in rows:
        verdict = row["reproduced"] + (f": {row['reason']}" if row["reason"] else "")
        name = f"[{row['folder']}](#{row['folder'].replace('_', '-')})"
        lines.append(f"| {name} | {row['claim']} | {verdict} | {row['seconds']:.0f} |")
    return "\n".join(lines)


def _section(folder):
    """The page of one folder, its figure first."""
    title, _, text = (folder / "README.md").read_text(encoding="utf-8").partition("\n")
    place = folder.relative_to(PAPERS.parents[1]).as_posix()
    text = re.sub(r"^!\[[^\]]*\]\([^)]*\)\n?", "", text, flags=re.MULTILINE).strip()
    picture = f"![{title.lstrip('# ')}](../{place}/figure.png)" if (folder / "figure.png").exists() else ""
    parts = [f"({folder.name.replace('_', '-')})=", f"## {title.lstrip('# ')}", picture, text]
    return "\n\n".join(part for part in parts if part)
