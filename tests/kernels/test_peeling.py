"""The kernels of the sparse transform give what their NumPy twins give."""

import numpy as np
import pytest
from transforms.sparse_cases import function, planted

from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la._backend import peeling as twins
from lowrank_la.transforms.sparse_codes import checks, field
from lowrank_la.transforms.sparse_decoder import bins_of
from lowrank_la.transforms.sparse_groups import Sampler, code_of, packed, unpacked
from lowrank_la.transforms.sparse_noise import Noise, thresholds
from lowrank_la.transforms.sparse_oracle import oracle_of


def kernel(name):
    return _kernels.lookup(name, "numpy")


@pytest.mark.parametrize("n", [1, 5, 63, 64, 65, 130])
def test_words_hold_the_bits_in_order(n):
    bits = np.random.default_rng(n).integers(0, 2, (20, n), dtype=np.uint8)
    words = packed(bits)
    assert np.array_equal(unpacked(words, n), bits)
    assert [int(row[0]) >> 63 for row in words] == bits[:, 0].tolist()


@pytest.mark.parametrize("n", [3, 9, 70])
def test_columns_are_independent_and_hash_as_they_say(n):
    generator = np.random.default_rng(n)
    bits = generator.integers(0, 2, (40, n), dtype=np.uint8)
    bits[1], bits[2] = bits[0], 0
    size = min(n, 8)
    found = []
    for choose in (kernel("choose_columns"), twins.choose_columns):
        columns, hashes = np.empty((size, packed(bits).shape[1]), np.uint64), np.empty(n, np.uint64)
        assert choose(packed(bits), n, columns, hashes) == size
        found.append((columns, hashes))
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])
    combinations = {tuple(np.arange(1 << size)[i] >> np.arange(size) & 1) for i in range(1 << size)}
    images = {tuple(np.asarray(row) @ unpacked(columns, n) % 2) for row in combinations}
    assert len(images) == 1 << size


def test_points_of_a_group_are_the_same():
    generator = np.random.default_rng(0)
    columns, offsets = (packed(generator.integers(0, 2, (rows, 70), dtype=np.uint8)) for rows in (4, 7))
    first, second = np.empty((60, 2), np.uint64), np.empty((60, 2), np.uint64)
    kernel("fill_queries")(columns, offsets, 31, 91, first)
    twins.fill_queries(columns, offsets, 31, 91, second)
    assert np.array_equal(first, second)
    x, short = generator.standard_normal(1 << 10), [packed(unpacked(part, 10)) for part in (columns, offsets)]
    whole = np.empty(16 * 7)
    kernel("gather_points")(x, np.uint64(54), *short, 0, whole)
    for first, rows in ((0, 16), (5, 4), (15, 1), (3, 13)):
        out = np.empty((2, rows * 7))
        kernel("gather_points")(x, np.uint64(54), *short, first, out[0])
        twins.gather_points(x, np.uint64(54), *short, first, out[1])
        assert np.array_equal(out[0], out[1])
        assert np.array_equal(out[0], whole[first * 7 : (first + rows) * 7])


@pytest.mark.parametrize("n", [4, 9, 70])
def test_columns_of_several_groups_are_those_of_each(n):
    candidates = packed(np.random.default_rng(n).integers(0, 2, (60, n), dtype=np.uint8)).reshape(3, 20, -1)
    sizes = np.asarray([4, 2, 3])
    columns, hashes = np.empty((2, 9, candidates.shape[2]), np.uint64), np.empty((2, 3, n), np.uint64)
    for i, choose in enumerate((kernel("choose_groups"), twins.choose_groups)):
        assert choose(candidates, sizes, n, columns[i], hashes[i])
        assert not choose(candidates * np.uint64(0), sizes, n, columns[i].copy(), hashes[i].copy())
    assert np.array_equal(columns[0], columns[1])
    assert np.array_equal(hashes[0], hashes[1])


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize(
    ("n", "dimension", "subspaces", "missing"), [(3, 2, 5, 0), (20, 5, 11, 9), (70, 3, 20, 1), (130, 0, 70, 0)]
)
def test_an_expansion_on_subspaces_is_the_sum_of_its_characters(n, dimension, subspaces, missing, turn):
    rows, values = planted(n, 40, seed=n)
    values = values * np.exp(1j * np.arange(values.size)) if turn else values
    drawn = packed(np.random.default_rng(n).integers(0, 2, (subspaces * (1 + dimension), n), dtype=np.uint8))
    count, side, found = subspaces << dimension, 64 // (1 + dimension), []
    for source in (kernel, twins.__dict__.get):
        points = np.empty((count, drawn.shape[1]), np.uint64)
        tables = np.empty((-(-n // 4), 16, -(-subspaces // side)), np.uint64)
        source("lay_out_subspaces")(drawn, dimension, points, tables)
        left, cubes = function(rows, values)(unpacked(points[: count - missing], n)), np.zeros(count, values.dtype)
        source("take_from_subspaces")(packed(rows), values, tables, dimension, cubes, left)
        found.append((points, tables))
        np.testing.assert_allclose(left, 0.0, rtol=0, atol=1e-12)
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])


def test_frequencies_of_few_bits_fall_apart_in_the_table_of_the_decoder():
    from lowrank_la._kernels.numba.peeling import _slot

    for n in (12, 20, 40):
        keys, table = np.arange(500, dtype=np.uint64).reshape(-1, 1) << np.uint64(64 - n), np.full(8192, -1, np.int32)
        assert len({int(_slot(key, keys, table)) for key in keys}) >= 450


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("n", [5, 15, 40])
def test_every_set_of_few_places_is_told_from_its_syndrome(n, degree):
    masks, tables = checks(n, degree).astype(int), field(n.bit_length())
    code = code_of(n, degree)
    generator = np.random.default_rng(n)
    for size in range(degree + 1):
        for _ in range(20):
            places = np.zeros(n, np.int64)
            places[generator.choice(n, size, replace=False)] = 1
            z, key = 1.0 - 2.0 * (masks @ places % 2), np.zeros(1, np.uint64)
            assert decoded(z, degree, tables, n, key)
            assert np.array_equal(unpacked(key.reshape(1, 1), n)[0], places)
    assert code.length <= n + 1


def decoded(z, degree, tables, n, key):
    from lowrank_la._kernels.numba.bch import places_of_syndrome

    return places_of_syndrome(z, degree, *tables, n, key)


@pytest.mark.parametrize("bits", range(1, 17))
def test_the_powers_of_the_primitive_element_are_all_elements(bits):
    exps, logs = field(bits)
    assert sorted(exps.tolist()) == list(range(1, 1 << bits))
    assert np.array_equal(logs[exps], np.arange(exps.size))


def run(peel, bins, code, zero, single, growth, soft, check=True):
    total, width = bins.group_of.size, bins.shifts.shape[1]
    U, room = bins.U.copy(), 2 * total
    keys, values = np.empty((room, width), np.uint64), np.empty(room, U.dtype)
    work = np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, np.uint8)
    found, looks = peel(
        U, bins.layout, bins.group_of, bins.hashes, bins.shifts, code.stencil, code.degree, code.exps, code.logs,
        soft, check, zero, single, growth, 20 * total, keys, values, np.full(1024, -1, np.int32), *work,
    )  # fmt: skip
    return U, keys[:found], values[:found], looks


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize(
    ("n", "degree", "sigma", "repeats", "turn"),
    [(12, None, 0.0, 1, False), (70, None, 0.1, 2, False), (30, 2, 0.05, 2, False), (12, None, 0.0, 1, True)],
)
def test_peeling_fitting_and_energies_agree(n, degree, sigma, repeats, turn, soft):
    rows, values = planted(n, 14, seed=1, weight=degree)
    values = values * np.exp(1j * np.arange(values.size)) if turn else values
    oracle, *_ = oracle_of(function(rows, values, sigma), n)
    code = code_of(n, degree)
    groups = Sampler(oracle, code, be.resolve_rng(2), 2).groups([4, 4, 3], repeats)
    bins, noise = bins_of(groups), Noise(sigma**2, 1e-20)
    limits = thresholds(groups, noise, 0.01, 2 if turn else 1)
    first, second = (run(peel, bins, code, *limits, soft) for peel in (kernel("peel"), twins.peel))
    assert first[3] == second[3]
    assert np.array_equal(first[1], second[1])
    tight = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(first[2], second[2], **tight)
    np.testing.assert_allclose(first[0], second[0], **tight)
    parts = bins.layout, bins.hashes, bins.shifts, code.stencil
    weights, fitted = np.asarray([16.0, 16.0, 8.0]), []
    for (U, keys, found, _), source in ((first, kernel), (second, twins.__dict__.get)):
        source("put_back")(U, *parts, keys[:1], found[:1])
        source("refit")(U, *parts, weights, np.full(3, -1.0), keys, found, 200, 1e-15)
        energies = np.empty(bins.group_of.size)
        source("bin_energies")(U, bins.layout, bins.group_of, code.length - 1, energies)
        fitted.append((U, found, energies))
    for one, other in zip(*fitted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_room_and_patience_that_run_out_are_told():
    oracle, *_ = oracle_of(function(*planted(20, 6, seed=3)), 20)
    code = code_of(20, None)
    groups = Sampler(oracle, code, be.resolve_rng(0), 2).groups([3, 3, 3], 1)
    bins = bins_of(groups)
    limits = thresholds(groups, Noise(0.0, 1e-20), 0.01, 1)
    for budget, room in ((3, 40), (400, 1)):
        keys, values, work = np.empty((room, 1), np.uint64), np.empty(room), np.empty((2, 24), np.int32)
        for peel in (kernel("peel"), twins.peel):
            _, looks = peel(
                bins.U.copy(), bins.layout, bins.group_of, bins.hashes, bins.shifts, code.stencil, -1, code.exps,
                code.logs, True, True, *limits, budget, keys, values, np.full(64, -1, np.int32), *work,
                np.empty(24, np.uint8),
            )  # fmt: skip
            assert looks == budget + 1
