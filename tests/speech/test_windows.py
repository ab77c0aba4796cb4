"""Windows are those of NumPy, without a copy."""

import numpy as np
import pytest

from lpcnet_cq.speech.windows import windows


@pytest.mark.parametrize(("length", "hop"), [(3, 1), (4, 4), (5, 2), (11, 1)])
def test_windows_are_those_of_numpy(length, hop):
    x = np.arange(11.0)
    found = windows(x, length, hop)
    np.testing.assert_array_equal(found, np.lib.stride_tricks.sliding_window_view(x, length)[::hop])
    assert np.shares_memory(found, x)


def test_windows_of_a_part_begin_with_the_part():
    np.testing.assert_array_equal(windows(np.arange(9)[4:], 2, 2), [[4, 5], [6, 7]])
