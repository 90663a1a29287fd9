"""Code that is run in a process of its own."""

import subprocess
import sys
import textwrap


def require_done(code):
    """Run `code`, which prints "done" and nothing else when all of it held."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("done", 0), done.stderr
