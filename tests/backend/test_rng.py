"""Random numbers: published vectors, addressing, distributions, and who may be disturbed."""

import os
import threading

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la._backend import native, philox, rng, threads

DRAWS = {
    "gaussian": be.gaussian,
    "uniform": be.uniform,
    "rademacher": be.rademacher,
    "integers": lambda key, rows, cols: be.integers(key, rows, cols, 1000),
}
CHILD_OF_SEVEN = "310def90fab21af9fc469078f4c6b893"
NORMALS_OF_SEVEN = ["-0x1.75bc425979aa8p-1", "0x1.c60c6b9156cd2p+0"]
KNOWN_ANSWERS = [  # counter, key, output: the vectors that come with the published generator
    ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.fixture(params=["kernel", "twin"])
def generator(request, monkeypatch):
    """Every draw by the compiled kernel, then every draw by NumPy."""
    use_generator(request.param, monkeypatch)


def use_generator(name, monkeypatch):
    found = {
        "kernel": lambda kernel, _: _kernels.lookup(kernel, "numpy"),
        "twin": lambda kernel, _: getattr(philox, kernel),
    }
    monkeypatch.setattr(rng, "_kernel", found[name])


def drawn(draw, key=5, rows=slice(0, 40), cols=slice(0, 300)):
    return DRAWS[draw](be.resolve_rng(key), rows, cols)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_published_vectors(counter, key, expected):
    words = philox.philox_words(*(np.asarray([c], np.uint64) for c in counter), *(np.uint64(k) for k in key))
    compiled = np.asarray(counter, np.uint64)[:, None].copy()
    _kernels.lookup("philox_words", "numpy")(compiled, np.uint64(key[0]), np.uint64(key[1]), 1)
    for pair in (np.concatenate(words), compiled[:2, 0]):
        assert tuple(pair.view(np.uint32).tolist()) == expected


@pytest.mark.parametrize("draw", DRAWS)
def test_the_kernel_and_its_twin_give_the_same_bits(draw, monkeypatch):
    bits = []
    for name in ("kernel", "twin"):
        use_generator(name, monkeypatch)
        bits.append(drawn(draw, cols=slice(3, 400)).tobytes())
    assert bits[0] == bits[1]


@pytest.mark.parametrize("draw", DRAWS)
@given(
    corner=st.tuples(st.integers(0, 39), st.integers(0, 299)), size=st.tuples(st.integers(1, 40), st.integers(1, 300))
)
def test_a_block_is_part_of_the_whole(draw, corner, size):
    rows, cols = (slice(c, min(c + s, limit)) for c, s, limit in zip(corner, size, (40, 300), strict=True))
    np.testing.assert_array_equal(drawn(draw, rows=rows, cols=cols), drawn(draw)[rows, cols])


@pytest.mark.parametrize("draw", DRAWS)
def test_rows_can_be_named_one_by_one(draw, generator):
    np.testing.assert_array_equal(drawn(draw, rows=[31, 2, 2]), drawn(draw)[[31, 2, 2]])


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("far", [1 << 31, 1 << 32, 1 << 40])
def test_far_rows_and_columns_are_not_near_ones_again(draw, far, generator):
    near = drawn(draw, rows=slice(0, 4), cols=slice(0, 128))
    assert not np.array_equal(near, drawn(draw, rows=slice(far, far + 4), cols=slice(0, 128)))
    assert not np.array_equal(near, drawn(draw, rows=slice(0, 4), cols=slice(far, far + 128)))


def test_draws_of_any_size_are_the_same_for_any_number_of_threads(monkeypatch):
    key, found = be.resolve_rng(1), []
    for workers in (1, 2, 5):
        monkeypatch.setattr(threads, "worker_count", lambda workers=workers: workers)
        found.append(be.gaussian(key, slice(0, 3000), slice(0, 41)).tobytes())
    assert found[0] == found[1] == found[2]


def test_single_precision_is_double_precision_rounded():
    key = be.resolve_rng(2)
    double = be.gaussian(key, slice(0, 9), slice(0, 9))
    np.testing.assert_array_equal(be.gaussian(key, slice(0, 9), slice(0, 9), "float32"), double.astype("float32"))


@pytest.mark.parametrize("draw", [be.gaussian, be.rademacher])
def test_complex_numbers_have_unit_variance_and_independent_parts(draw):
    z = draw(be.resolve_rng(3), slice(0, 400), slice(0, 250), "complex128")
    assert z.dtype == "complex128"
    spread = 5 / np.sqrt(z.size)
    assert abs(np.mean(np.abs(z) ** 2) - 1) < spread
    assert abs(np.mean(z.real**2) - 0.5) < spread
    assert abs(np.mean(z.real * z.imag)) < spread
    np.testing.assert_array_equal(draw(be.resolve_rng(3), slice(7, 9), slice(31, 40), "complex128"), z[7:9, 31:40])


def test_normals_are_the_box_muller_transform_to_roundoff():
    words = np.random.default_rng(0).integers(0, 1 << 64, size=(2, 100_000), dtype=np.uint64)
    words[0, :3] = 0, (1 << 64) - 1, 1 << 63
    words[1, :5] = 0, (1 << 64) - 1, 1 << 62, 1 << 63, 3 << 62
    u, v = ((w >> np.uint64(11)).astype(np.longdouble) * np.longdouble(2) ** -53 for w in words)
    radius, angle = np.sqrt(-2 * np.log(u + np.longdouble(2) ** -53)), 2 * np.longdouble(np.pi) * v
    angle += 2 * v * (np.longdouble("1.2246467991473532072e-16"))  # what float64 lacks of π
    for got, exact in zip(philox._box_muller(*words), (radius * np.cos(angle), radius * np.sin(angle)), strict=True):
        assert np.max(np.abs(got - exact) / np.maximum(radius, 1e-300)) < 4 * np.finfo(float).eps


def test_normals_have_the_normal_distribution(generator):
    x = drawn("gaussian", key=11, rows=slice(0, 400), cols=slice(0, 500)).ravel()
    assert scipy.stats.kstest(x, "norm").pvalue > 1e-3
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        assert abs(np.mean(x**power) - moment) < 5 * np.std(x**power) / np.sqrt(x.size)


def test_uniforms_fill_the_half_open_interval(generator):
    x = drawn("uniform", key=12, rows=slice(0, 400), cols=slice(0, 500)).ravel()
    assert 0 < x.min() < 1e-4 < 1 - 1e-4 < x.max() <= 1
    assert scipy.stats.kstest(x, "uniform").pvalue > 1e-3


def test_the_ends_of_the_uniforms_are_never_zero():
    low, high = np.zeros(1, np.uint64), np.full(1, (1 << 64) - 1, np.uint64)
    assert [float(x[0]) for x in philox._uniform(low, high)] == [2.0**-53, 1.0]


def test_signs_are_fair_and_independent_along_both_axes(generator):
    signs = drawn("rademacher", key=13, rows=slice(0, 400), cols=slice(0, 500))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    limit = 5 / np.sqrt(signs.size)
    assert abs(signs.mean()) < limit
    assert abs(np.mean(signs[1:] * signs[:-1])) < limit
    assert abs(np.mean(signs[:, 1:] * signs[:, :-1])) < limit


@pytest.mark.parametrize("high", [1, 7, 1000, 1 << 32])
def test_integers_are_uniform_below_their_bound(high, generator):
    x = be.integers(be.resolve_rng(14), slice(0, 200), slice(0, 500), high).ravel()
    assert x.dtype == np.int64
    assert 0 <= x.min() <= x.max() < high
    cells = min(high, 50)
    counts = np.bincount((x.astype(object) * cells // high).astype(np.int64), minlength=cells)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3 if cells > 1 else counts[0] == x.size


def test_children_are_independent_of_their_parent_and_of_each_other():
    key = be.resolve_rng(15)
    family = [key, key.child("a"), key.child("b"), key.child(0), key.child("0"), key.child("a").child("b")]
    draws = np.stack([be.gaussian(k, slice(0, 200), slice(0, 200)).ravel() for k in family])
    correlation = np.corrcoef(draws) - np.eye(len(family))
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(draws.shape[1])
    assert len({k.value for k in family}) == len(family)


def test_distributions_of_one_key_share_no_numbers():
    key = be.resolve_rng(16)
    signs = be.rademacher(key, slice(0, 300), slice(0, 300))
    uniform = be.uniform(key, slice(0, 300), slice(0, 300)) - 0.5
    normal = be.gaussian(key, slice(0, 300), slice(0, 300))
    correlation = np.corrcoef([signs.ravel(), uniform.ravel(), normal.ravel()]) - np.eye(3)
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(signs.size)


def test_numbers_stay_what_they_were_in_earlier_versions():
    key = be.resolve_rng(7)
    assert key.value == 7
    assert f"{key.child('sketch').value:032x}" == CHILD_OF_SEVEN
    assert [x.hex() for x in be.gaussian(key, slice(0, 1), slice(0, 2))[0].tolist()] == NORMALS_OF_SEVEN


def test_a_seed_its_key_and_the_value_of_the_key_are_the_same():
    key = be.resolve_rng(np.int64(9))
    assert key == be.resolve_rng(9) == be.resolve_rng(key) == be.resolve_rng(key.value)
    assert int(key) == 9
    assert eval(repr(key), {"Key": be.Key}) == key


def test_no_seed_means_a_fresh_key():
    assert be.resolve_rng(None) != be.resolve_rng(None)


def test_a_numpy_generator_contributes_once():
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    key = be.resolve_rng(first)
    second.integers(0, 1 << 64, size=2, dtype=np.uint64)
    assert first.bit_generator.state == second.bit_generator.state
    assert be.resolve_rng(first) != key
    assert be.resolve_rng(np.random.default_rng(1)) == key


def test_a_seed_sequence_gives_its_key_every_time():
    sequence = np.random.SeedSequence(4)
    assert be.resolve_rng(sequence) == be.resolve_rng(sequence) != be.resolve_rng(sequence.spawn(1)[0])


@pytest.mark.parametrize("bad", ["7", 1.5, True, np.True_, [1], np.random.RandomState(0), object()])
def test_what_is_no_source_of_numbers_is_a_type_error(bad):
    with pytest.raises(TypeError, match="rng must be"):
        be.resolve_rng(bad)


@pytest.mark.parametrize("bad", [-1, 1 << 128])
def test_seeds_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="rng as an integer"):
        be.resolve_rng(bad)


def test_labels_of_children_are_strings_or_integers():
    with pytest.raises(TypeError, match="label"):
        be.resolve_rng(0).child(1.5)


def test_no_global_generator_is_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    be.gaussian(be.resolve_rng(None), slice(0, 9), slice(0, 9))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_host_numbers_are_the_same_on_every_backend(backend):
    key, dtype = be.resolve_rng(20), backend.nearest("float64")
    host = be.gaussian(key, slice(0, 6), slice(1, 5), dtype)
    there = be.gaussian(key, slice(0, 6), slice(1, 5), dtype, backend.xp, backend.device)
    assert backend.holds(there)
    np.testing.assert_array_equal(backend.to_numpy(there), host)


class TestTorchGenerator:
    """A native generator draws on its own device."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def key(self, torch):
        return be.resolve_rng(torch.Generator().manual_seed(3))

    def test_it_is_advanced_and_nothing_else_is(self, torch):
        generator = torch.Generator().manual_seed(3)
        ours, theirs, numpys = generator.get_state(), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        key = be.resolve_rng(generator)
        be.gaussian(key, slice(0, 10), slice(0, 10))
        assert not torch.equal(generator.get_state(), ours)
        assert torch.equal(torch.get_rng_state(), theirs)
        np.testing.assert_array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
        assert be.resolve_rng(torch.Generator().manual_seed(3)) == key

    @pytest.mark.parametrize("draw", DRAWS)
    def test_a_block_is_part_of_the_whole(self, torch, key, draw):
        whole = DRAWS[draw](key, slice(0, native._TILE_ROWS + 50), slice(0, 40))
        assert isinstance(whole, torch.Tensor)
        rows, cols = slice(native._TILE_ROWS - 9, native._TILE_ROWS + 7), slice(13, 35)
        assert torch.equal(DRAWS[draw](key, rows, cols), whole[rows, cols])
        assert torch.equal(DRAWS[draw](key, [4099, 3], cols), whole[[4099, 3], cols])

    def test_its_numbers_have_their_distributions(self, key):
        rows, cols = slice(0, 5000), slice(0, 40)
        spread = 5 / np.sqrt(5000 * 40)
        normal, uniform = be.gaussian(key, rows, cols).numpy(), be.uniform(key, rows, cols).numpy()
        assert abs(normal.mean()) < spread
        assert abs(normal.var() - 1) < 2 * spread
        assert scipy.stats.kstest(uniform.ravel(), "uniform").pvalue > 1e-3
        assert set(np.unique(be.rademacher(key, rows, cols))) == {-1.0, 1.0}
        complex_variance = np.mean(np.abs(be.gaussian(key, rows, cols, "complex64").numpy()) ** 2)
        assert abs(complex_variance - 1) < spread

    def test_children_are_native_and_independent(self, key):
        child = key.child("a")
        assert isinstance(child, be.NativeKey)
        a, b = (be.gaussian(k, slice(0, 3000), slice(0, 20)).numpy().ravel() for k in (key, child))
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(a.size)

    def test_its_numbers_can_be_moved_to_the_host(self, key):
        import array_api_compat.numpy as xp

        there = be.gaussian(key, slice(0, 5), slice(0, 5))
        np.testing.assert_array_equal(be.gaussian(key, slice(0, 5), slice(0, 5), "float64", xp), there.numpy())


def test_eight_threads_at_once_draw_the_same_numbers(monkeypatch):
    use_generator("kernel", monkeypatch)
    expected, found = drawn("gaussian", rows=slice(0, 2000)), {}

    def work(i):
        found[i] = drawn("gaussian", rows=slice(0, 2000))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 8
    assert all(np.array_equal(x, expected) for x in found.values())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_draws_the_same_numbers(monkeypatch):
    use_generator("kernel", monkeypatch)
    expected = drawn("gaussian", rows=slice(0, 2000))
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(drawn("gaussian", rows=slice(0, 2000)), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_tests_of_a_distribution_catch_a_plausible_wrong_one():
    """One uniform used for both radius and angle, and a variance off by two in a hundred."""
    u = drawn("uniform", key=11, rows=slice(0, 400), cols=slice(0, 500)).ravel()
    shared = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * u)
    assert scipy.stats.kstest(shared, "norm").pvalue < 1e-6
    wide = 1.02 * drawn("gaussian", key=11, rows=slice(0, 400), cols=slice(0, 500)).ravel()
    assert abs(np.mean(wide**2) - 1) > 5 * np.std(wide**2) / np.sqrt(wide.size)
