"""Files that are complete or not there."""

import errno
import io
import os
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path

_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_NO_NEW_FILE = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def replacing(path):
    """Stream to a new file beside `path`, which takes its place once everything is written and on the disk.

    Links are followed, and permissions kept. What is no regular file, such as a pipe, is written to directly; so is a
    writable file in a folder that takes no new one. Errors of the system name `path`.
    """
    path = os.fspath(path)
    try:
        with _Onward(io.FileIO(path, "wb")) if _is_special(path) else _beside(path) as stream:
            yield stream
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), path) from error


def is_writable(path):
    """Whether `path` is a file that may be written, or a new name in a folder that takes one."""
    if not os.path.exists(path):
        return os.access(os.path.dirname(os.path.realpath(path)), os.W_OK)
    read_only = stat.S_ISREG(os.stat(path).st_mode) and not os.stat(path).st_mode & _WRITE_BITS
    return os.access(path, os.W_OK) and not read_only


def _is_special(path):
    """Whether `path` is there and no regular file; a pipe has no path that could be resolved."""
    return not path or (os.path.exists(path) and not os.path.isfile(path))


class _Onward(io.BufferedWriter):
    """A stream that claims no position: that of a device such as ``/dev/null`` does not move with what is written."""

    def seekable(self):
        return False

    def tell(self):
        raise io.UnsupportedOperation("tell")

    def seek(self, *_):
        raise io.UnsupportedOperation("seek")


@contextmanager
def _beside(path):
    target = Path(os.path.realpath(path))
    if target.exists() and not is_writable(target):
        raise PermissionError(errno.EACCES, "", path)
    beside = target.with_name(f".lowrank_la-{secrets.token_hex(8)}")
    try:
        stream = open(beside, "xb")  # noqa: SIM115
    except OSError as error:
        if error.errno not in _NO_NEW_FILE or not target.exists():
            raise
        with open(target, "wb") as stream:
            yield stream
        return
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
