"""Checkpoints that were cut off, changed or are none are refused, whatever was done to them."""

import numpy as np
import pytest
from blocks.slab_kernels import matrix

import lowrank_la as lr
from lowrank_la.blocks.checkpoint import load, save

KNOWN = {"algorithm": "svd.blocks", "params": {"rank": 5, "key": 2**127 + 1, "tol": None}, "fingerprint": "abc"}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(share, tmp_path):
    path = tmp_path / "c.npz"
    save(path, {"x": matrix(100, 30)}, **KNOWN)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"c\.npz is not a checkpoint, or not all of one"):
        load(path, **KNOWN)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_file_with_flipped_bits_is_refused(at, tmp_path):
    path = tmp_path / "c.npz"
    save(path, {"x": matrix(100, 30)}, **KNOWN)
    whole = bytearray(path.read_bytes())
    whole[int(at * len(whole))] ^= 0xFF
    path.write_bytes(bytes(whole))
    with pytest.raises(ValueError, match="not a checkpoint"):
        load(path, **KNOWN)


def test_a_foreign_file_is_refused(tmp_path):
    for name, write in {
        "text.npz": lambda path: path.write_text("hello"),
        "array.npz": lambda path: np.savez(path, a=np.ones(3)),
        "result.npz": lambda path: lr.svd(matrix(5, 4), 2, rng=0).save(path),
        "short.npz": lambda path: np.savez(path, __header__=np.array('{"format": "lowrank_la.checkpoint.1"}')),
        "header.npz": lambda path: np.savez(path, __header__=np.array("[1, 2]")),
        "objects.npz": lambda path: np.savez(path, __header__=np.array([None], dtype=object)),
    }.items():
        write(tmp_path / name)
        with pytest.raises(ValueError, match=name):
            load(tmp_path / name, **KNOWN)
    with pytest.raises(ValueError, match="no header of this library"):
        load(tmp_path / "array.npz", **KNOWN)
    with pytest.raises(ValueError, match="its header lacks algorithm, params, fingerprint, state"):
        load(tmp_path / "short.npz", **KNOWN)


def test_no_single_byte_can_be_flipped_without_a_refusal_or_the_same_state(tmp_path):
    path, x = tmp_path / "c.npz", np.arange(5.0)
    save(path, {"x": x, "n": (1, x[:3])}, **KNOWN)
    whole, refused = path.read_bytes(), 0
    for place in range(len(whole)):
        bad = bytearray(whole)
        bad[place] ^= 1 << place % 8
        path.write_bytes(bytes(bad))
        try:
            found = load(path, **KNOWN)
        except ValueError:
            refused += 1
        else:
            np.testing.assert_array_equal(found["x"], x)
            np.testing.assert_array_equal(found["n"][1], x[:3])
    assert refused > len(whole) / 2
