"""Resampling in blocks, judged by SciPy's filter over the whole signal."""

from math import gcd

import numpy as np
import pytest
from scipy.signal import resample_poly

from dsp._resampling import resampled


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("from_hz", "to_hz"), [(16000, 16000), (48000, 16000), (44100, 16000), (22050, 16000)])
@pytest.mark.parametrize("n", [1, 440, 300_001])
def test_blocks_are_resampled_as_one_signal(from_hz, to_hz, dtype, n):
    x = np.random.default_rng(n).standard_normal(n).astype(dtype)
    cuts = np.sort(np.random.default_rng(1).integers(0, n, 5))
    y = np.concatenate(list(resampled(np.split(x, cuts), from_hz, to_hz)))
    judge = resample_poly(x, to_hz // gcd(from_hz, to_hz), from_hz // gcd(from_hz, to_hz))
    assert y.dtype == dtype and len(y) == -(-n * to_hz // from_hz)
    np.testing.assert_allclose(y, judge, atol=1e-5 if dtype == np.float32 else 1e-12)


def test_a_rate_without_a_common_factor_needs_no_filter_of_millions_of_coefficients():
    t = np.arange(767_999) / 767_999
    y = np.concatenate(list(resampled([np.sin(2 * np.pi * 1000 * t)], 767_999, 16000)))
    assert len(y) == 16000  # the ratio is approximated within 1.3e-6
    np.testing.assert_allclose(y[50:-50], np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[50:-50], atol=1e-2)
