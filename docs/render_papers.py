"""The page of reproduced experiments, from the folders and the table of the last whole run."""

import re
from pathlib import Path

import render_benchmarks

PAPERS = Path(__file__).resolve().parents[1] / "benchmarks" / "papers"


def page():
    """Table of what was reproduced, and a section a folder."""
    folders = sorted(path.parent for path in PAPERS.glob("*/README.md"))
    return "\n\n".join([_table(), *(_section(folder) for folder in folders)]) + "\n"


def _table():
    rows = render_benchmarks.load("papers") or []
    if not rows:
        return "No whole run is stored yet."
    lines = ["| folder | claim | reproduced | seconds |", "|---|---|---|---|"]
    for row in rows:
        verdict = row["reproduced"] + (f": {row['reason']}" if row["reason"] else "")
        lines.append(f"| `{row['folder']}` | {row['claim']} | {verdict} | {row['seconds']:.0f} |")
    return "\n".join(lines)


def _section(folder):
    """Title, source and picture of one folder, with the command that runs it."""
    title, _, rest = (folder / "README.md").read_text(encoding="utf-8").partition("\n")
    source = re.split(r"\n\s*\n", rest.strip())[0]
    parts = [f"## {title.lstrip('# ')}", source, f"`python -m benchmarks.papers.{folder.name}.run`"]
    parts += [f"![{title.lstrip('# ')}](../{picture})" for picture in _pictures(folder)]
    return "\n\n".join(parts)


def _pictures(folder):
    return [path.relative_to(PAPERS.parents[1]).as_posix() for path in sorted(folder.glob("*.png"))]
