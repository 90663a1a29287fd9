"""What the reproduced experiments share: sizes, command line, expected figures, picture and verdict."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIZES = ("quick", "medium", "full")
WIDTH = 180


@dataclass(frozen=True)
class Study:
    """One experiment at several sizes; ``raise SystemExit(STUDY.main())`` ends its ``run.py``.

    Attributes
    ----------
    path, about : str
        ``__file__`` and ``__doc__`` of its module.
    sizes : dict
        Arguments of `measure` for "quick" (seconds: what CI runs), "medium" (what the README describes) and, where
        there is one, "full".
    measure : callable
        Runs the experiment, prints a line a figure, and returns what was found, as JSON can hold it.
    problems : callable
        ``problems(found)``: lines that say which claim of the paper does not hold.
    differences : callable
        ``differences(found, expected)``: lines that say what is not as in an earlier run of the same size.
    draw : callable
        ``draw(found)`` returns a figure.
    head : str
        Head of the printed table.
    """

    path: str
    about: str
    sizes: dict[str, dict[str, Any]]
    measure: Callable[..., Any]
    problems: Callable[[Any], list[str]]
    differences: Callable[[Any, Any], list[str]]
    draw: Callable[[Any], Any]
    head: str = ""

    @property
    def folder(self):
        """The folder of the experiment."""
        return Path(self.path).parent

    def main(self, arguments=None):
        """Run one size and say what differs; status 1 if anything does."""
        options = self._options(arguments)
        size, start = options.size, time.perf_counter()
        if self.head:
            names = [name.strip() for name in self.head.split("|")]
            print(f"| {' | '.join(names)} |\n{'|---' * len(names)}|")
        found = json.loads(json.dumps(self.measure(**self.sizes[size])))
        wrong, stored = self.problems(found), self.stored()
        if options.store:
            stored[size] = found
            ordered = {name: stored[name] for name in SIZES if name in stored}
            (self.folder / "expected.json").write_text(as_text(ordered) + "\n", encoding="utf-8")
            self.picture(ordered, self.folder / "figure.png")
        elif size in stored:
            wrong += self.differences(found, stored[size])
        if options.picture:
            self.picture({size: found}, options.picture)
        print(f"\n{time.perf_counter() - start:.0f} s")
        print("as expected" if not wrong else "not as expected:\n" + "\n".join(wrong))
        return 1 if wrong else 0

    def stored(self):
        """What ``expected.json`` holds: for every size that was stored, what was found."""
        path = self.folder / "expected.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def picture(self, stored, path):
        """Draw the figure of the largest size there is."""
        found = [stored[size] for size in SIZES if size in stored][-1]
        self.draw(found).savefig(path, dpi=110)

    def _options(self, arguments):
        parser = argparse.ArgumentParser(description=self.about.splitlines()[0].partition(":")[0] + ".")
        add_sizes(parser, [name for name in SIZES[1:] if name in self.sizes])
        parser.add_argument("--store", action="store_true", help="store what is found in expected.json, and draw it")
        parser.add_argument("--picture", type=Path, metavar="FILE", help="draw what is found into this file")
        return parser.parse_args(arguments)


def add_sizes(parser, sizes):
    """Options, of which at most one is given, for sizes above the quick one."""
    choice = parser.add_mutually_exclusive_group()
    for size in sizes:
        choice.add_argument(
            f"--{size}", dest="size", action="store_const", const=size, help=f"the {size} size, where there is one"
        )
    parser.set_defaults(size="quick")


def as_text(value, depth=0):
    """JSON with one figure a line: what fits on a line stays there, and so do lists of numbers."""
    line, inner = json.dumps(value, ensure_ascii=False), " " * (depth + 1)
    plain = isinstance(value, list) and not any(isinstance(entry, dict | list) for entry in value)
    if not isinstance(value, dict | list) or plain or len(line) + depth <= WIDTH:
        return line
    if isinstance(value, list):
        parts, ends = [as_text(entry, depth + 1) for entry in value], "[]"
    else:
        keys = [json.dumps(key, ensure_ascii=False) for key in value]
        parts = [f"{key}: {as_text(entry, depth + 1)}" for key, entry in zip(keys, value.values(), strict=True)]
        ends = "{}"
    return ends[0] + "\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * depth + ends[1]
