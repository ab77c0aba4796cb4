"""The network over features: activations with rounding, and sizes of lines."""

import numpy as np

from lpcnet_cq.bitstream.fixed_point import activate
from lpcnet_cq.light.music.line_network import ONE, SIZES, activated, padded_sizes
from lpcnet_cq.music.line_features import BELOW, MAX_MAGNITUDE


def test_activations_are_those_of_integers():
    """The half of a unit is part of the biases."""
    total = np.random.default_rng(5).integers(-(2**21), 2**25, 1000)
    np.testing.assert_array_equal(activated((total + ONE / 2) / ONE), activate(total))


def test_sizes_of_lines():
    sizes = padded_sizes(np.array([[0, -1, 3, 16000]]))
    np.testing.assert_array_equal(sizes[0], [0] * max(BELOW) + [0, 8, 16, SIZES[MAX_MAGNITUDE]])
