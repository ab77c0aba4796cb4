"""The range decoder of vectors: the symbols of `range_coder`, zeros ahead, and codes that belong to no symbol."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.fixed_point import SUM_BITS
from lpcnet_cq.bitstream.frequency_tables import HALF_WIDTH, MEAN_BITS, N_SCALES, TOTAL, frequency_tables, locate
from lpcnet_cq.bitstream.range_coder import RangeEncoder
from lpcnet_cq.bitstream.symbol_tables import MOST_KEPT, SymbolTables
from lpcnet_cq.bitstream.vector_reader import VectorReader
from lpcnet_cq.bitstream.vector_sums import FIRST_FLOOR, rounded_down
from lpcnet_cq.errors import BitstreamError

CUMULATIVE = frequency_tables().astype(np.int64)
MARGIN = bytes(300)


@pytest.fixture(scope="module")
def tables():
    return SymbolTables(CUMULATIVE)


class Fixed:
    """Sums that no integer changes; some of them at once."""

    def __init__(self, sums, ahead):
        self.rounded, self.n = np.floor(rounded_down(sums)).astype(int), ahead

    def ahead(self, k):
        return self.rounded[:, k : k + self.n].tolist()

    def put(self, k, value):
        """Take a value; zeros are put only where the mean is beyond the tables, or no slots are kept of the scale."""
        mean, scale = self.rounded[:, k].tolist()
        inside = -HALF_WIDTH <= (mean >> MEAN_BITS) + FIRST_FLOOR <= HALF_WIDTH
        assert value != 0 or not inside or abs(scale) > MOST_KEPT


def random_sums(n, seed):
    """Return sums whose means and scales go beyond the tables."""
    random = np.random.default_rng(seed)
    means = np.where(random.random(n) < 0.2, 50, 1) * random.normal(0, 1, n)
    scales = np.where(random.random(n) < 0.2, random.uniform(-700, 700, n), random.uniform(-10, N_SCALES + 10, n))
    return np.array([means, scales]) * (1 << SUM_BITS)


@pytest.mark.parametrize("ahead", [1, 7, 60])
def test_vectors_come_back(tables, ahead):
    """Symbols of the tables and zeros, whatever is looked ahead."""
    sums, random = random_sums(60, ahead).astype(np.int64), np.random.default_rng(ahead)
    scale, fraction, floor = locate(*sums)
    values = np.where(random.random(60) < 0.7, 0, floor + random.integers(-HALF_WIDTH, HALF_WIDTH + 1, 60))
    values = np.where(abs(values - floor) > HALF_WIDTH, floor, values)
    encoder = RangeEncoder()
    for s, f, symbol in zip(scale, fraction, values - floor + HALF_WIDTH, strict=True):
        encoder.encode(CUMULATIVE[s, f, symbol], CUMULATIVE[s, f, symbol + 1] - CUMULATIVE[s, f, symbol])
    data = encoder.finish()
    reader = VectorReader(tables, data + MARGIN, 0)
    found = np.zeros(60, np.int64)
    reader.vector(Fixed(sums, ahead), found)
    assert found.tolist() == values.tolist()
    assert reader.close(len(data)) == len(data)


def test_a_code_beyond_the_last_symbol_is_damage(tables):
    """After three symbols of odd frequency, the code of ones lies in the remainder of the interval."""
    reader = VectorReader(tables, b"\xff" * 30 + MARGIN, 0)
    odd = [0, TOTAL - 40001, TOTAL]
    assert [reader.symbol(odd) for _ in range(3)] == [1, 1, 1]
    with pytest.raises(BitstreamError, match="belongs to no symbol"):
        reader.symbol(odd)
