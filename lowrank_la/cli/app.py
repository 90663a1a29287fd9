"""The command itself: how it starts, fails and is interrupted."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.core

import lowrank_la as lr

_PROGRAM = "lowrank-la"
_INTERRUPTED = 130

_ORDER = ("svd", "pca", "complete", "rpca", "cp", "tucker", "sample", "wht", "info")


class _InOrder(typer.core.TyperGroup):
    """A group that lists its commands as the documentation does, not as the files are read."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(
            super().list_commands(ctx), key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER)
        )


app = typer.Typer(cls=_InOrder, pretty_exceptions_enable=False, rich_markup_mode=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; a failure is one line on stderr and status 2.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line without the program's name; ``sys.argv[1:]`` by default.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: _say("warning", message)
            outcome = app(args=arguments, prog_name=_PROGRAM, standalone_mode=False)
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        outcome = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person at a terminal is told the reason, not the stack
        _say("error", _reason(error))
        return 2
    if outcome == _INTERRUPTED:
        _say("error", "interrupted")
    return outcome if isinstance(outcome, int) else 0


def _say(kind: str, message: Any) -> None:
    line = " ".join(str(message).split())
    print(f"{_PROGRAM}: {kind}: {line}", file=sys.stderr)  # noqa: T201


def _reason(error: Exception) -> str:
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        told = error.format_message()
        return f"{told.rstrip('.')}; see {context.command_path} --help" if context else told
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
):
    """Low-rank structure of large matrices: small factored answers that carry their error."""
    if version:
        typer.echo(lr.__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
