"""Running sums against the sums of whole vectors: with triangular terms, and with a hidden layer."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.fixed_point import SIDE_CLIP
from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS, N_SCALES, expected, locate
from lpcnet_cq.bitstream.integer_model import Triangle
from lpcnet_cq.bitstream.side_context import BLOCK, SideNetwork, SideSums
from lpcnet_cq.bitstream.vector_sums import FIRST_FLOOR, WINDOW, TriangleSums, rounded_down, triangle_terms

K, H = 21, 12


def triangle(random):
    return np.triu(random.integers(-(1 << 16), 1 << 16, (K, K)), 1)


def vector(random):
    """Return integers as they are decoded: many zeros, some beyond every clip."""
    n = random.integers(-3, 4, K) * random.integers(0, 2, K)
    n[4], n[9] = 100, -1000
    return n


def sums_while_decoding(sums, n, window=WINDOW):
    """Return the rounded sums of each integer as they were when it was decoded, (2, K); zeros are not put."""
    found = []
    for k, value in enumerate(n.tolist()):
        ahead = sums.ahead(k)
        assert [len(row) for row in ahead] == [min(window, K - k)] * 2
        found.append([row[0] for row in ahead])
        if value:
            sums.put(k, value)
    return np.array(found).T


@pytest.mark.parametrize("clip", [7, SIDE_CLIP])
def test_triangular_terms(clip):
    random = np.random.default_rng(clip)
    mean, scale, n = triangle(random), triangle(random), vector(random)
    first = random.integers(-(1 << 22), 1 << 22, (2, K))
    sums = TriangleSums(rounded_down(first), triangle_terms(mean, scale, clip))
    given = Triangle(mean.astype(np.float64), scale.astype(np.float64), clip).batch_sums(first, n)
    np.testing.assert_array_equal(sums_while_decoding(sums, n), np.floor(rounded_down(np.stack(given))))


@pytest.mark.parametrize("depends", [False, True])
def test_side_integers(depends):
    """The hidden layer depends on the integers of the packet, or on the packets before only."""
    random = np.random.default_rng(3)
    weights = lambda *shape: random.integers(-4096, 4096, shape)  # noqa: E731
    network = SideNetwork(
        weights(2 * K, H),
        weights(H) << 8,
        weights(H, 2 * K),
        weights(2 * K) << 8,
        weights(2 * K, K),
        depends * weights(K, H),
        triangle(random),
        triangle(random),
    )
    before, n = np.stack([vector(random), vector(random)]), vector(random)
    state, sums = network.start(before, np), []
    for k, value in enumerate(n):
        sums.append(network.predict(state, k))
        state = network.update_sums(state, k, value)
    found = sums_while_decoding(SideSums(network).running(before), n, 1 if depends else WINDOW)
    np.testing.assert_array_equal(found, np.floor(rounded_down(np.transpose(sums))))
    many = 2 * BLOCK + 1
    at_once = SideSums(network).expected(np.stack([before] * many), np.stack([n] * many))
    for ours, theirs in zip(at_once, expected(*np.transpose(sums)), strict=True):
        np.testing.assert_array_equal(ours, np.stack([theirs] * many))


def test_rounding_is_that_of_the_tables():
    sums = np.random.default_rng(5).integers(-(1 << 24), 1 << 26, (2, 500))
    mean, scale = np.floor(rounded_down(sums)).astype(int)
    s, fraction, floor = locate(*sums)
    np.testing.assert_array_equal(scale.clip(0, N_SCALES - 1), s)
    np.testing.assert_array_equal((mean >> MEAN_BITS) + FIRST_FLOOR, floor)
    np.testing.assert_array_equal(mean & (1 << MEAN_BITS) - 1, fraction)
