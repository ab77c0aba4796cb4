"""The network over features: activations with rounding, and sizes of lines."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import activate
from lpcnet_cq.light.music.line_network import ONE, activated, sizes_below
from lpcnet_cq.music.line_features import BELOW, MAX_MAGNITUDE


def test_activations_are_those_of_integers():
    """The half of a unit is part of the biases."""
    total = np.random.default_rng(5).integers(-(2**21), 2**25, 1000)
    np.testing.assert_array_equal(activated((total + ONE / 2) / ONE), activate(total))


def test_sizes_of_lower_lines():
    n = np.array([0, -1, 3, 16000, *range(5, 20)])
    below = sizes_below(np.stack([n, -n]))
    for k, row in zip(BELOW, below[1], strict=True):
        expected = np.rint(8 * np.log2(1 + np.minimum(abs(n), MAX_MAGNITUDE)))[:-k]
        np.testing.assert_array_equal(row, np.concatenate([np.zeros(k), expected]))
