"""Slots of zero: those of the tables, and those of three symbols; scales beyond the tables."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.frequency_tables import ESCAPE, HALF_WIDTH, MEAN_BITS, N_SCALES, frequency_tables
from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.bitstream.symbol_tables import MOST_KEPT, N_MEANS, SymbolTables
from lpcnet_cq.bitstream.vector_sums import FIRST_FLOOR

CUMULATIVE = frequency_tables().astype(np.int64)


@pytest.fixture(scope="module")
def tables():
    tables = SymbolTables(CUMULATIVE)
    assert all(tables.add_zeros(scale) for scale in range(N_SCALES))
    return tables


def rounded_means():
    """Return floor and fraction of every mean for which `SymbolTables` has slots."""
    means = np.arange(N_MEANS)
    return (means >> MEAN_BITS) + FIRST_FLOOR, means & 15


def test_slots_of_zero_are_those_of_the_tables(tables):
    """Begin and frequency of zero where it has a symbol; else no frequency."""
    floor, fraction = rounded_means()
    inside = abs(floor) <= HALF_WIDTH
    assert 0 < inside.sum() < N_MEANS
    slots, symbol = (
        np.array([tables.zeros[scale][:N_MEANS] for scale in range(N_SCALES)]),
        (HALF_WIDTH - floor).clip(0, ESCAPE - 1),
    )
    assert slots.shape == (N_SCALES, N_MEANS, 2)
    begin, end = CUMULATIVE[:, fraction, symbol], CUMULATIVE[:, fraction, symbol + 1]
    np.testing.assert_array_equal(slots[:, inside], np.stack([begin, end - begin], axis=-1)[:, inside])
    assert (slots[:, ~inside, 1] == 0).all()


def test_slots_of_refinements_are_those_of_three_symbols(tables):
    """The middle one of three, as the model gives their frequencies to encoders."""
    floor, fraction = rounded_means()
    inside, slots = abs(floor) <= HALF_WIDTH, np.array([tables.middles[scale] for scale in range(N_SCALES)])
    f = IntegerModel.ternary_frequencies(NumPy(), CUMULATIVE[:, fraction], np.broadcast_to(-floor, slots.shape[:2]))
    np.testing.assert_array_equal(slots[:, inside], f[:, inside, :2])
    assert (slots[:, ~inside, 1] == 0).all()


class NumPy:
    xp = np


def test_scales_are_clipped():
    tables = SymbolTables(CUMULATIVE)
    for scale in (-MOST_KEPT, -5, 0, N_SCALES - 1, N_SCALES + 9, MOST_KEPT):
        assert tables.add_zeros(scale) and not tables.add_zeros(scale)
    assert tables.zeros[-5] is tables.zeros[-MOST_KEPT] is tables.zeros[0]
    assert tables.zeros[N_SCALES + 9] is tables.zeros[MOST_KEPT] is tables.zeros[N_SCALES - 1]
    assert tables.rows[3][5] == CUMULATIVE[3, 5].tolist()


def test_scales_far_beyond_the_tables_take_no_memory():
    """Damaged packets ask for any of them."""
    tables = SymbolTables(CUMULATIVE)
    for scale in range(-5000, 5000):
        assert tables.rows[scale] is tables.rows[min(max(scale, 0), N_SCALES - 1)]
        assert tables.add_zeros(scale) == (abs(scale) <= MOST_KEPT)
    assert sorted(tables.rows) == sorted(tables.zeros) == list(range(-MOST_KEPT, MOST_KEPT + 1))


def test_means_beyond_the_tables_have_no_zero(tables):
    """Those below the first mean are found from the end of the list."""
    assert {tables.zeros[7][mean] for mean in (-1, -N_MEANS, N_MEANS, 2 * N_MEANS - 1)} == {(0, 0)}
    with pytest.raises(IndexError):
        tables.zeros[7][-2 * N_MEANS - 1]
