"""Long computations that survive: one file, written atomically, that says what it belongs to."""

import json
import os
import time
import zipfile
import zlib

import numpy as np

from .. import _backend as be
from ..results import replacing, to_host

_FORMAT = "lowrank_la.checkpoint.1"
_DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError)
_SCALARS = (bool, int, float, complex, str, type(None))


class Checkpoint:
    """A file that a computation writes now and then, and from which it goes on.

    Parameters
    ----------
    path : str or Path
        An ``.npz`` file without pickle. It is complete or not there.
    algorithm : str
        What computes, such as ``"svd.blocks"``.
    params : dict
        Everything that the numbers depend on besides the data: rank, key of the draw, options. Plain values.
    fingerprint : str
        `BlockSource.fingerprint` of the data.
    resume : bool
        Go on from the file. It has to be there and to belong to the same algorithm, parameters and data.
    state : dict, optional
        What is there before the first pass, such as the key of the draw; a resumed computation has that of the file.
    every : int, optional
        Slabs from one writing to the next; None writes by time.
    seconds : float
        Least time from one writing to the next where `every` is None.
    xp, device
        Namespace and device of the arrays that are read back; NumPy when left out.

    Attributes
    ----------
    state : dict
        State at the end of the last complete pass, before it what was given.
    passes : int
        Passes that were completed.
    nodes : dict or None
        Merged states of the pass under way, as `MergeTree` knows them; None at its start.

    Raises
    ------
    FileNotFoundError
        If `resume` is asked for and there is no file.
    IsADirectoryError
        If `path` is a folder.
    FileExistsError
        If it is not asked for and there is one: nothing is ever written over that somebody may still need.
    TypeError
        If `path` is no path.
    ValueError
        If the file is truncated, no checkpoint, or belongs to something else; the message says to what.

    Notes
    -----
    A pass ends with `complete`, which stores the state and forgets the nodes. What a `kill -9` costs is the work since
    the last writing: at most one interval. A file is there from the start, so that whoever started can always resume.
    """

    def __init__(
        self, path, *, algorithm, params, fingerprint, resume=False, state=None, every=None, seconds=30.0, xp=None,
        device=None,
    ):  # fmt: skip
        self.path = _checked_path(path)
        self._head = {"algorithm": algorithm, "params": _plain(params), "fingerprint": fingerprint}
        self._every = None if every is None else be.check_count("every", every)
        self._seconds = seconds
        self.state, self.passes, self.nodes, self._split_every = dict(state or {}), 0, None, None
        if be.check_flag("resume", resume):
            stored = load(self.path, **self._head, xp=xp, device=device)
            self.state, self.passes, self._split_every = stored["state"], stored["passes"], stored["split_every"]
            self.nodes = {tuple(place): node for place, node in stored["nodes"]} or None
        self._over = False
        self._since, self._written = 0, time.monotonic()
        if not resume:
            _require_free(self.path)
            self._write()

    def begin(self, split_every):
        """Called by a pass as it starts: the nodes that it goes on from; RuntimeError before the last was completed."""
        if self._over:
            raise RuntimeError("a pass that wrote this checkpoint is over: call complete(state) before the next one")
        if self.nodes and split_every != self._split_every:
            raise ValueError(
                f"split_every must be {self._split_every}, as it was when {self.path} was written; got {split_every}"
            )
        self._split_every = split_every
        return self.nodes

    def end(self):
        """Called by a pass as it ends."""
        self._over = True

    def slab_done(self, nodes):
        """Called by a pass after each slab with the nodes of its tree; writes the file when it is time."""
        self._since += 1
        due = time.monotonic() - self._written >= self._seconds if self._every is None else self._since >= self._every
        if due:
            self.nodes = dict(nodes)
            self._write()

    def complete(self, state):
        """The pass is over: keep `state`, a flat dict of arrays and scalars, and write the file."""
        self.state, self.nodes, self.passes, self._over = dict(state), None, self.passes + 1, False
        self._write()

    def _write(self):
        nodes = [[list(place), node] for place, node in sorted((self.nodes or {}).items())]
        told = {"state": self.state, "passes": self.passes, "nodes": nodes, "split_every": self._split_every}
        save(self.path, told, **self._head)
        self._since, self._written = 0, time.monotonic()


def _checked_path(path):
    if isinstance(path, str | os.PathLike):
        if os.path.isdir(path):
            raise IsADirectoryError(f"{os.fspath(path)} is a folder; give the path of an .npz file in it")
        return os.fspath(path)
    raise TypeError(f"checkpoint must be the path of an .npz file, got {type(path).__name__}")


def _require_free(path):
    if os.path.lexists(path):
        raise FileExistsError(
            f"{path} exists and is not written over: go on from it with resume=True, or remove it to start anew"
        )


def save(path, state, *, algorithm, params, fingerprint):
    """Write `state`, a dict of arrays, scalars, and tuples, lists or dicts of them, to `path` in one piece."""
    arrays = {}
    header = {
        "format": _FORMAT,
        "algorithm": algorithm,
        "params": _plain(params),
        "fingerprint": fingerprint,
        "state": _described(state, arrays),
    }
    with replacing(path) as stream:
        np.savez(stream, __header__=np.array(json.dumps(header)), **arrays)


def load(path, *, algorithm, params, fingerprint, xp=None, device=None):
    """The state that `save` wrote for the same algorithm, parameters and data."""
    arrays, header = _read(path)
    if header.get("format") != _FORMAT:
        raise ValueError(f"{path} holds format {header.get('format')!r}; {_FORMAT!r} was expected")
    if missing := [name for name in ("algorithm", "params", "fingerprint", "state") if name not in header]:
        raise ValueError(f"{path} is not a checkpoint, or not all of one: its header lacks {', '.join(missing)}")
    if header["algorithm"] != algorithm:
        raise ValueError(f"{path} is a checkpoint of {header['algorithm']!r}, not of {algorithm!r}")
    params = json.loads(json.dumps(_plain(params)))
    if header["params"] != params:
        raise ValueError(f"{path} was written with other parameters: {_differences(header['params'], params)}")
    if header["fingerprint"] != fingerprint:
        raise ValueError(
            f"{path} was written for other data (fingerprint {header['fingerprint'][:12]}, these have "
            f"{fingerprint[:12]}): resume with the data, the slabs and the files that it was started with"
        )
    try:
        return _restored(header["state"], arrays, xp, device)
    except KeyError as error:
        raise ValueError(f"{path} is not a checkpoint, or not all of one: {error} is missing") from None


def _differences(old, new):
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return ", ".join(f"{name}={old.get(name)!r} there, {new.get(name)!r} here" for name in names)


def _read(path):
    wrong = f"{path} is not a checkpoint, or not all of one"
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise
    except (AttributeError, TypeError, ValueError, RuntimeError, OSError, EOFError, *_DAMAGED):
        raise ValueError(f"{wrong}: it can't be read as an .npz archive of plain arrays") from None
    try:
        header = json.loads(str(arrays.pop("__header__")))
    except (KeyError, ValueError):
        raise ValueError(f"{wrong}: it has no header of this library") from None
    return arrays, header if isinstance(header, dict) else {}


def _plain(params):
    for name, value in params.items():
        if not isinstance(value, _SCALARS):
            raise TypeError(f"parameter {name!r} of a checkpoint must be a number, a text or None, got {value!r}")
    return {name: repr(value) if isinstance(value, complex) else value for name, value in params.items()}


def _described(value, arrays):
    """`value` as JSON, its arrays put into `arrays` under a number."""
    if isinstance(value, dict):
        return {"dict": [[key, _described(item, arrays)] for key, item in value.items()]}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_described(item, arrays) for item in value]}
    if isinstance(value, complex) and not isinstance(value, np.generic):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, _SCALARS) and not isinstance(value, np.generic):
        return {"value": value}
    if not hasattr(value, "dtype"):
        raise TypeError(f"a state holds arrays, numbers and texts, got {type(value).__name__}")
    name = f"a{len(arrays)}"
    arrays[name] = to_host(value)
    if arrays[name].dtype.hasobject:
        raise TypeError("arrays of objects can't be saved without pickle")
    if isinstance(value, np.generic):
        return {"scalar": name}
    library = "numpy" if isinstance(value, np.ndarray) else "other"
    return {"array": name, "dtype": be.dtype_name(value.dtype), "library": library}


def _restored(known, arrays, xp, device):
    if "dict" in known:
        return {key: _restored(item, arrays, xp, device) for key, item in known["dict"]}
    for kind in (tuple, list):
        if kind.__name__ in known:
            return kind(_restored(item, arrays, xp, device) for item in known[kind.__name__])
    if "complex" in known:
        return complex(*known["complex"])
    if "value" in known:
        return known["value"]
    if "scalar" in known:
        return arrays[known["scalar"]][()]
    array = arrays[known["array"]]
    if xp is None or known["library"] == "numpy":
        return array
    return be.from_numpy(array, xp, device, dtype=getattr(xp, known["dtype"]))
