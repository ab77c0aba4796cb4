"""The front end: a level within an eighth of a decibel, and LSFs that are those of a known filter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.signal.windows import tukey

from dsp.lsf import lsf_to_lpc
from lpcnet_cq.published.config import PRESETS
from lpcnet_cq.published.front import analyse_lsf, level_gain, level_index, lpc_window, lsf_levels, prepare

SYSTEM = PRESETS["cq-2020"].system
HOP = SYSTEM.spec.hop


@given(st.floats(-60, -1))
def test_level_comes_out_as_wished(level_db):
    x = 10 ** (level_db / 20) * np.sign(np.sin(0.37 * np.arange(4 * HOP)))
    scaled = x * level_gain(level_index(x, SYSTEM), SYSTEM)
    assert 20 * np.log10(np.sqrt(np.mean(scaled**2)) / SYSTEM.level) == pytest.approx(0, abs=0.126)


def test_silence_and_whispers_have_the_last_level():
    assert level_index(np.zeros(HOP), SYSTEM) == 255
    assert level_index(np.full(HOP, 1e-5), SYSTEM) == 255
    assert level_index(np.full(HOP, 1.0), SYSTEM) == 0


def test_window_rises_and_falls_over_a_quarter():
    w = lpc_window(1024)
    assert (w[256:769] == 1).all()
    np.testing.assert_allclose(w, tukey(1024, 0.5, sym=False), atol=1e-12)


def test_lsfs_are_those_of_the_filter_that_made_the_sound():
    lsf = np.array([0.25, 0.35, 0.6, 0.9, 1.1, 1.2, 1.5, 1.6, 1.9, 2.0, 2.2, 2.3, 2.5, 2.6, 2.8, 2.95])
    a = np.convolve(lsf_to_lpc(lsf), [1, -0.68])  # the analysis takes the pre-emphasis away
    x = lfilter([1], a, np.random.default_rng(0).standard_normal(60 * HOP))
    found = analyse_lsf(x, SYSTEM)
    assert found.shape == (60, 16)
    np.testing.assert_allclose(np.median(found[2:-2], axis=0), lsf, atol=0.03)


@pytest.mark.parametrize("offset, changes", [(-1, False), (8, True), (1016, True), (1024, False)])
def test_a_window_is_centred_on_its_frame(offset, changes):
    """Frame t begins an overlap before t*hop, its window half a frame before that; its first sample weighs nothing."""
    x = np.random.default_rng(1).standard_normal(8 * HOP)
    other = x.copy()
    other[4 * HOP - 32 - 256 + offset] += 5.0
    moved = np.abs(analyse_lsf(other, SYSTEM)[4] - analyse_lsf(x, SYSTEM)[4]).max()
    assert bool(moved > 0) is changes


def test_silence_has_lsfs():
    assert np.isfinite(analyse_lsf(np.zeros(3 * HOP), SYSTEM)).all()


def test_first_codebook_spans_each_lsf():
    lsf = np.random.default_rng(2).uniform([0.1, 1.0], [0.5, 2.0], (5000, 2))
    levels = lsf_levels(lsf, 8)
    assert levels.shape == (8,) and (np.diff(levels) > 0).all()
    np.testing.assert_allclose(levels[:4], np.linspace(0.1, 0.5, 4), atol=0.01)
    np.testing.assert_allclose(levels[4:], np.linspace(1.0, 2.0, 4), atol=0.01)


def test_crops_are_scaled_each_by_itself():
    x = np.random.default_rng(3).standard_normal((2, 7 * HOP)).astype(np.float32) * np.float32([[0.01], [0.2]])
    batch = prepare(x, SYSTEM, 4)
    np.testing.assert_allclose(batch["x"].std(axis=1), SYSTEM.level, rtol=0.05)
    assert batch["x"].dtype == batch["lsf"].dtype == np.float32 and batch["lsf"].shape == (2, 4, 16)
    assert set(prepare(x, PRESETS["cmrl"].system, 4)) == {"x"}


def test_frames_of_a_crop_are_those_of_the_file_it_is_from():
    """The middle frames have the level of the whole crop, and LSFs that see beyond their ends."""
    x = np.random.default_rng(4).standard_normal(8 * HOP).astype(np.float32)
    x[: 4 * HOP] *= 0.1
    batch = prepare(x[None], SYSTEM, 6)
    whole = x * np.float32(level_gain(level_index(x, SYSTEM), SYSTEM))
    np.testing.assert_array_equal(batch["x"][0], whole[HOP:-HOP])
    np.testing.assert_array_equal(batch["lsf"][0], analyse_lsf(whole, SYSTEM)[1:-1])


def test_crops_too_short_are_one_sentence():
    with pytest.raises(ValueError, match="must have at least 2880 for 4 frames"):
        prepare(np.zeros((1, 2879), np.float32), SYSTEM, 4)
