"""The kernels of the sparse transform give what their NumPy twins give."""

import numpy as np
import pytest
from transforms.sparse_cases import function, planted

from lowrank_la import _backend as be
from lowrank_la import _kernels
from lowrank_la._backend import peeling as twins
from lowrank_la.transforms.sparse_codes import checks, field
from lowrank_la.transforms.sparse_groups import SPARE, Sampler, code_of, packed, unpacked
from lowrank_la.transforms.sparse_noise import Noise, thresholds
from lowrank_la.transforms.sparse_oracle import oracle_of


def kernel(name):
    return _kernels.lookup(name, "numpy")


@pytest.mark.parametrize("n", [1, 5, 63, 64, 65, 130])
def test_words_hold_the_bits_in_order(n):
    bits = np.random.default_rng(n).integers(0, 2, (20, n), dtype=np.uint8)
    words = packed(bits)
    assert np.array_equal(unpacked(words, n), bits)
    assert [int(row[0]) & 1 for row in words] == bits[:, -1].tolist()
    whole = [sum(int(word) << (64 * w) for w, word in enumerate(row)) for row in words]
    assert whole == [int("".join(map(str, row)), 2) for row in bits.tolist()]


def drawn(n, sizes, shifts=2, seed=1, number=0):
    """Columns, hashes and shifts of groups."""
    words = -(-n // 64)
    columns, hashes = np.empty((sum(sizes), words), np.uint64), np.empty((len(sizes), n), np.uint64)
    rows, key = np.empty((len(sizes) * shifts, words), np.uint64), be.kernel_words(be.resolve_rng(seed), "test")
    kernel("draw_groups")(key, number, np.array(sizes), shifts, n, columns, hashes, rows)
    return columns, hashes, rows


@pytest.mark.parametrize(("n", "sizes"), [(3, [3, 0, 2]), (9, [4, 5]), (64, [6]), (70, [8, 1]), (200, [10])])
def test_points_of_a_subspace_differ_and_hashes_are_their_products(n, sizes):
    columns, hashes, shifts = drawn(n, sizes)
    assert np.array_equal(unpacked(shifts, n).astype(bool), twins.bits_of(shifts, n).astype(bool))
    parts = np.split(columns, np.cumsum(sizes)[:-1])
    for size, part, own in zip(sizes, parts, hashes, strict=True):
        bits = unpacked(part, n).reshape(size, n).astype(np.int64)
        assert np.array_equal(bits[:, :size], np.eye(size, dtype=np.int64)[::-1])
        told = (own[:, None] >> np.arange(size, dtype=np.uint64)).astype(np.int64) & 1
        assert np.array_equal(told[::-1].T, bits)


def test_a_group_is_drawn_from_its_number_alone():
    together, apart = drawn(40, [5, 5, 5]), drawn(40, [5], number=1)
    assert np.array_equal(together[0][5:10], apart[0])
    assert np.array_equal(together[1][1], apart[1][0])
    assert np.array_equal(together[2][2:4], apart[2])


def test_any_two_frequencies_share_a_bin_as_rarely_as_at_random():
    n, bits, runs = 12, 4, 4000
    generator = np.random.default_rng(0)
    pairs = [generator.integers(0, 2, n) for _ in range(6)] + [np.eye(n, dtype=int)[i] for i in (0, 3, 4, 11)]
    hits = np.zeros(len(pairs))
    _, hashes, _ = drawn(n, [bits] * runs, shifts=0)
    for i, gap in enumerate(pairs):
        hits[i] = np.sum(np.bitwise_xor.reduce(hashes[:, ::-1][:, gap == 1], axis=1) == 0)
    expected = runs / (1 << bits)
    assert np.all(hits <= expected + 5.0 * expected**0.5)
    assert np.all(hits[[6, 7]] == 0)


@pytest.mark.parametrize(("n", "degree", "told"), [(10, None, None), (10, None, 0), (70, None, 0), (20, 2, None)])
def test_points_of_a_group_are_the_same(n, degree, told):
    code, sizes, found = code_of(n, degree, told), [3, 2], []
    columns, _, shifts = drawn(n, sizes, shifts=4)
    layout = np.array([(0, 0, 3, 2, 2, 0, code.length(3), 4 + 2 * code.length(3)),
                       (0, 8, 2, 2, 2, 4, code.length(2), 4 + 2 * code.length(2))])  # fmt: skip
    for c in range(2):
        out = np.empty((2, int(layout[c, 7]), shifts.shape[1]), np.uint64)
        for place, source in enumerate((kernel, twins.__dict__.get)):
            source("fill_offsets")(layout, c, shifts, code.stencil, out[place])
        assert np.array_equal(out[0], out[1])
        found.append(out[0])
    first, second = np.empty((30, shifts.shape[1]), np.uint64), np.empty((30, shifts.shape[1]), np.uint64)
    kernel("fill_queries")(columns[:3], found[0], 31, 61, first)
    twins.fill_queries(columns[:3], found[0], 31, 61, second)
    assert np.array_equal(first, second)
    if n > 20:
        return
    x = np.random.default_rng(0).standard_normal(1 << n)
    count = (int(layout[0, 7]) << 3) + (int(layout[1, 7]) << 2)
    whole, same = np.empty(count), np.empty(count)
    kernel("gather_groups")(x, layout, columns, shifts, code.stencil, whole)
    twins.gather_groups(x, layout, columns, shifts, code.stencil, same)
    assert np.array_equal(whole, same)
    width = int(layout[0, 7])
    for start, rows in ((0, 8), (3, 2), (7, 1)):
        part = np.empty(rows * width)
        kernel("gather_points")(x, columns[:3], found[0], start, part)
        assert np.array_equal(part, whole[start * width : (start + rows) * width])
    kernel("gather_places")(x, first, same)
    assert np.array_equal(same[:30], x[first[:, 0].astype(np.int64)])


@pytest.mark.parametrize(
    ("verify", "repeats", "length"), [(0, 1, 0), (2, 0, 0), (1, 1, 2), (0, 2, 3), (2, 1, 6), (3, 2, 5), (0, 1, 15)]
)
def test_groups_read_in_one_call_are_those_read_step_by_step(verify, repeats, length):
    n, bits, width = 16, [5, 0, 6, 5], verify + repeats * (1 + length)
    starts, bins = (np.cumsum([0, *(each << b for b in bits)]) for each in (width, 1))
    rows = np.arange(len(bits)) * (verify + repeats)
    layout = np.array(
        [(starts[c], bins[c], b, verify, repeats, rows[c], length, width) for c, b in enumerate(bits)], np.int64
    )
    x, key = np.random.default_rng(1).standard_normal(1 << n), np.arange(4, dtype=np.uint64)
    stencil = np.empty((0, 1), np.uint64)

    def read(source, least, most):
        columns, hashes = np.empty((sum(bits), 1), np.uint64), np.empty((len(bits), n), np.uint64)
        shifts, out = np.empty((len(bits) * (verify + repeats), 1), np.uint64), np.full(starts[-1] + SPARE, np.nan)
        squares = source(x, key, 7, layout, stencil, least, most, columns, hashes, shifts, out)
        return out, squares, columns, hashes, shifts

    plain, squares, *drawn_plain = read(kernel("read_groups"), np.inf, -np.inf)
    whole, same, *drawn_whole = read(kernel("read_groups"), 0.0, np.inf)
    twin, around, *_ = read(twins.read_groups, 0.0, np.inf)
    step = np.empty(starts[-1])
    kernel("gather_groups")(x, layout, drawn_plain[0], drawn_plain[2], stencil, step)
    assert np.array_equal(plain[:-SPARE], step)
    assert squares == same
    assert np.isclose(squares, around, rtol=8 * step.size * np.finfo(float).eps)
    assert all(np.array_equal(a, b) for a, b in zip(drawn_plain, drawn_whole, strict=True))
    assert np.allclose(whole, twin, rtol=0.0, atol=64 * np.finfo(float).eps * np.abs(x).max())
    assert np.array_equal(whole[-SPARE:], np.zeros(SPARE))
    for c, b in enumerate(bits):
        part = be.walsh(step[starts[c] : starts[c + 1]].reshape(1, 1 << b, width), 2.0**-b)
        assert np.array_equal(whole[starts[c] : starts[c + 1]], part.reshape(-1))


@pytest.mark.parametrize("n", [1, 7, 8, 20, 64, 65, 130])
def test_rows_of_words_ascend_as_numbers(n):
    bits = np.unique(np.random.default_rng(n).integers(0, 2, (300, n), dtype=np.uint8), axis=0)
    keys = packed(bits)[np.random.default_rng(0).permutation(bits.shape[0])]
    for source in (kernel, twins.__dict__.get):
        order, found = np.empty(keys.shape[0], np.int64), np.empty(bits.shape, np.uint8)
        source("sorted_rows")(keys, n, order, found)
        assert np.array_equal(found, bits)
        assert np.array_equal(unpacked(keys[order], n), bits)


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
        tables = np.empty((-(-n // 4), 16, -(-subspaces // (8 * side)) * 8), np.uint64)
        source("lay_out_subspaces")(drawn, dimension, points, tables)
        seen = function(rows, values)(unpacked(points[: count - missing], n))
        seen[::3] += 1.0
        above, total = source("leave_on_subspaces")(packed(rows), values, tables, dimension, seen, 0.5)
        found.append((points, tables))
        assert above == -(-seen.size // 3)
        assert total == pytest.approx(above, abs=1e-9)
        assert source("leave_on_subspaces")(packed(rows), values, tables, dimension, seen, 2.0)[0] == 0
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])


def test_frequencies_of_few_bits_fall_apart_in_the_table_of_the_decoder():
    from lowrank_la._kernels.numba.peeling import _slot

    for n in (12, 20, 40):
        keys, table = np.arange(500, dtype=np.uint64).reshape(-1, 1) << np.uint64(n - 9), np.full(8192, -1, np.int32)
        assert len({int(_slot(key, keys, table)) for key in keys}) >= 450


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("n", [5, 15, 40])
def test_every_set_of_few_places_is_told_from_its_syndrome(n, degree):
    masks, tables = checks(n, degree).astype(int), field(n.bit_length())
    code = code_of(n, degree, None)
    generator = np.random.default_rng(n)
    for size in range(degree + 1):
        for _ in range(20):
            places = np.zeros(n, np.int64)
            places[generator.choice(n, size, replace=False)] = 1
            z, key = packed((masks @ places % 2)[::-1][None].astype(np.uint8))[0], np.zeros(1, np.uint64)
            assert decoded(z, degree, tables, n, key)
            assert np.array_equal(unpacked(key.reshape(1, 1), n)[0], places)
    assert code.length(0) <= n


def decoded(z, degree, tables, n, key):
    from lowrank_la._kernels.numba.bch import places_of_syndrome

    return places_of_syndrome(z, degree, *tables, n, key, np.zeros((4, 2 * degree + 2), np.int64))


@pytest.mark.parametrize("bits", range(1, 17))
def test_the_powers_of_the_primitive_element_are_all_elements(bits):
    exps, logs = field(bits)
    assert sorted(exps.tolist()) == list(range(1, 1 << bits))
    assert np.array_equal(logs[exps], np.arange(exps.size))


def run(peel, groups, code, zero, single, growth, soft, budget=None, room=None, check=True):
    U = groups.values.copy()
    return U, *peel(
        U, groups.layout, groups.hashes, groups.shifts, code.stencil, groups.parts, code.degree, code.exps, code.logs,
        soft, check, zero, single, growth, budget or 20 * groups.bins, room or 2 * groups.bins,
    )  # fmt: skip


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize(
    ("n", "degree", "told", "sigma", "repeats", "turn"),
    [
        (12, None, None, 0.0, 1, False),
        (12, None, 0, 0.0, 1, False),
        (70, None, None, 0.1, 2, False),
        (70, None, 0, 0.0, 2, True),
        (140, None, 0, 0.0, 1, False),
        (30, 2, None, 0.05, 2, False),
        (12, None, None, 0.0, 1, True),
    ],
)
def test_peeling_fitting_and_energies_agree(n, degree, told, sigma, repeats, turn, soft):
    rows, values = planted(n, 14, seed=1, weight=degree)
    values = values * np.exp(1j * np.arange(values.size)) if turn else values
    oracle, *_ = oracle_of(function(rows, values, sigma), n)
    code = code_of(n, degree, told)
    groups, noise = Sampler(oracle, code, be.resolve_rng(2), 2).groups([4, 4, 3], repeats), Noise(sigma**2, 1e-20)
    assert groups.parts == 1 + turn
    limits = thresholds(groups, noise, 0.01, groups.parts)
    first, second = (run(peel, groups, code, *limits, soft) for peel in (kernel("peel"), twins.peel))
    assert first[1].shape[0] > 8
    assert np.array_equal(first[1], second[1])
    assert first[3:5] == second[3:5]
    tight = {"rtol": 0, "atol": 1e-12}
    for place in (0, 2, 5):
        np.testing.assert_allclose(first[place], second[place], **tight)
    parts = groups.layout, groups.hashes, groups.shifts, code.stencil
    weights, fitted = np.asarray([16.0, 16.0, 8.0]), []
    for (U, keys, found, *_), source in ((first, kernel), (second, twins.__dict__.get)):
        source("put_back")(U, *parts, keys[:1], found[:1])
        source("refit")(U, *parts, weights, np.full(3, -1.0), keys, found, 200, 1e-15)
        energies = np.empty(groups.bins)
        told = source("bin_energies")(U, groups.layout, groups.parts, np.full(3, 1e-3), energies)
        fitted.append((U, found, energies, told))
    for one, other in zip(*fitted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_nothing_is_read_as_a_value_behind_a_bin():
    oracle, *_ = oracle_of(function(*planted(20, 6, seed=3)), 20)
    code = code_of(20, None, 0)
    groups = Sampler(oracle, code, be.resolve_rng(0), 2).groups([3, 3, 3], 1)
    limits, found = thresholds(groups, Noise(0.0, 1e-20), 0.01, 1), []
    for behind in (0.0, 1e9):
        groups.values[-SPARE:] = behind
        found.append(run(kernel("peel"), groups, code, *limits, True))
        assert np.all(found[-1][0][-SPARE:] == behind)
    assert np.array_equal(found[0][0][:-SPARE], found[1][0][:-SPARE])
    assert np.array_equal(found[0][2], found[1][2])


def test_room_and_patience_that_run_out_are_told():
    oracle, *_ = oracle_of(function(*planted(20, 6, seed=3)), 20)
    code = code_of(20, None, 0)
    groups = Sampler(oracle, code, be.resolve_rng(0), 2).groups([3, 3, 3], 1)
    limits = thresholds(groups, Noise(0.0, 1e-20), 0.01, 1)
    for budget, room in ((3, 40), (400, 1)):
        for peel in (kernel("peel"), twins.peel):
            assert run(peel, groups, code, *limits, True, budget, room)[3] == budget + 1
