"""Pages that are written from the library itself when the documentation is built."""

import re
from pathlib import Path

import render_benchmarks
import render_measured
import render_papers
import wrong_calls

import lowrank_la
from lowrank_la import _backend as be
from lowrank_la.references import bibliography

_COLUMNS = ("numpy", "strict", "torch", "cupy", "sparse", "operators", "blocks", "complex", "half", "autograd")


def write_all(folder):
    """Write every generated page into `folder`."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    pages = {
        "backends.md": backends(),
        "benchmarks.md": benchmarks(),
        "estimators.md": estimators(),
        "frequent_directions.md": render_measured.directions(),
        "larger_than_memory.md": render_measured.larger_than_memory(),
        "papers.md": render_papers.page(),
        "references.md": references(),
        "wrong_calls.md": wrong_calls.page(),
    }
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def backends():
    """Table of what each public function declares with `supports`, as far as somebody has checked it."""
    for name in lowrank_la.__all__:
        getattr(lowrank_la, name)
    gpu = render_benchmarks.load("gpu") or {}
    lines = [f"| function | {' | '.join(_COLUMNS)} |", "|---|" + "---|" * len(_COLUMNS)]
    for name, support in sorted(be.SUPPORT.items()):
        row = support.table_row()
        cells = [_standing(column, gpu) if row[column] else "–" for column in _COLUMNS]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def estimators():
    """Table of what the estimators say of themselves; scikit-learn's checks and ours hold them to it."""
    from lowrank_la import estimators as offered

    lines = ["| class | arrays of any library | sparse | missing values (NaN) |", "|---|---|---|---|"]
    for name in sorted(offered.__all__):
        tags = getattr(offered, name)().__sklearn_tags__()
        told = (tags.array_api_support, tags.input_tags.sparse, tags.input_tags.allow_nan)
        lines.append(f"| `{name}` | {' | '.join('tested' if each else '–' for each in told)} |")
    return "\n".join([*lines, ""])


def _standing(column, gpu):
    """Return how a declaration was checked: in every run of the tests, on a GPU at one commit, or not yet."""
    if column != "cupy":
        return "tested"
    passed = gpu.get("tests", {}).get("status") == 0 and any(name.startswith("cupy") for name in gpu["devices"])
    return f"verified at {gpu['commit'][:8]}" if passed and gpu.get("commit") else "not yet run"


def benchmarks():
    """Summary and full tables of the stored results."""
    payload = render_benchmarks.load()
    if payload is None:
        return render_benchmarks.NOT_YET.replace("`", "``") + "\n"
    sections = {
        "Decompositions: every contender": render_benchmarks.full(payload),
        "Decompositions: other measurements": render_benchmarks.extras(payload),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items() if text)
    parts = (
        "## At a glance",
        render_benchmarks.overview(),
        "## Decompositions",
        render_benchmarks.summary(payload),
        body,
    )
    return "\n\n".join([*parts, render_benchmarks.rooms()]) + "\n"


def references():
    """Return the bibliography as a list."""
    entries = [entry for entry in bibliography().values() if entry.kind != "software"]
    entries.sort(key=lambda entry: (entry.fields["author"].split(" and ")[0].split()[-1], entry.fields["year"]))
    return "\n".join(f"- `{entry.key}`: {_sentence(entry.fields)}" for entry in entries) + "\n"


def spelled_out(line):
    """Return a line of a docstring with the key of a source replaced by its authors, title and place."""
    match = re.fullmatch(r"(\s*\.\. \[\d+\] )(\w+)", line)
    entry = match and bibliography().get(match[2])
    return f"{match[1]}{_parts(entry.fields, '{}, {}')}" if entry else line


def _sentence(fields):
    return _parts(fields, "[{}]({})")


def _parts(fields, linked):
    authors = [_plain(name) for name in fields["author"].split(" and ")]
    names = authors[0] if len(authors) == 1 else f"{', '.join(authors[:-1])} and {authors[-1]}"
    venue = fields.get("journal") or fields.get("booktitle") or f"arXiv:{fields['eprint']}"
    place = " ".join(filter(None, (venue, fields.get("volume"), f"({fields['year']})")))
    pages = f", {fields['pages'].replace('--', '–')}" if "pages" in fields else ""
    link = f"https://doi.org/{fields['doi']}" if "doi" in fields else ""
    link = link or (f"https://arxiv.org/abs/{fields['eprint']}" if "eprint" in fields else "")
    title = linked.format(_plain(fields["title"]), link) if link else _plain(fields["title"])
    return f"{names}. {title}. *{place}*{pages}."


def _plain(text):
    for code, letter in {'{\\"o}': "ö", "{\\l}": "ł", "{\\'n}": "ń", "{\\~\\^e}": "ễ"}.items():
        text = text.replace(code, letter)
    return text.strip("{}")
