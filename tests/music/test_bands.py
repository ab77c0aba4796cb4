"""Bands: a partition of the lines; energies and factors of constructed spectra."""

import jax.numpy as jnp
import numpy as np
import pytest

from dsp.psychoacoustics import hz_to_bark
from lpcnet_cq.music import band_layout, bands
from lpcnet_cq.music.band_layout import LEVELS, OFFSET
from lpcnet_cq.music.config import MusicConfig

C = MusicConfig()
LINES = np.random.default_rng(1).standard_normal((6, C.n_latents)).astype(np.float32)
IS_SHORT = np.float32([0, 1, 0, 1, 0, 1])


def test_bands_have_a_bark_at_most_high_ones_less_and_none_is_empty():
    hz = C.spec.sample_rate_hz / 2 / C.spec.hop
    first = band_layout.edges(C.n_latents, C.bands, hz)
    assert (np.diff(first) >= 1).all() and first[0] == 0 and first[-1] == C.n_latents
    width = np.diff(np.asarray(hz_to_bark(first * hz)))
    assert width.max() < 1.2 and width[:8].mean() == pytest.approx(1, abs=0.05)
    assert (width[-8:] < 0.7).all() and np.diff(first).max() < 100


def test_a_packet_of_short_blocks_has_bands_of_two_short_blocks_each():
    long, short = band_layout.layout(C)
    assert (np.diff(long) >= 0).all() and set(long) == set(short) == set(range(C.bands))
    by_block = short.reshape(-1, C.short_blocks)  # line k of short block j lies at 8 k + j
    np.testing.assert_array_equal(by_block[:, 0::2], by_block[:, 1::2])
    np.testing.assert_array_equal(by_block[:, 0] + 8, by_block[:, 2])
    np.testing.assert_array_equal(by_block[:, 0] + 24, by_block[:, 7])


def test_sums_over_bands_and_spreading_over_lines():
    sums = np.asarray(bands.band_sums(jnp.asarray(LINES), jnp.asarray(IS_SHORT), C))
    for row, lines, is_short in zip(sums, LINES, IS_SHORT, strict=True):
        judged = np.bincount(band_layout.layout(C)[int(is_short)], lines, C.bands)
        np.testing.assert_allclose(row, judged, atol=1e-4)
    spread = np.asarray(bands.lines_of_bands(jnp.asarray(sums), jnp.asarray(IS_SHORT), C))
    for row, values, is_short in zip(spread, sums, IS_SHORT, strict=True):
        np.testing.assert_allclose(row, values[band_layout.layout(C)[int(is_short)]], rtol=1e-6)


def test_energies_are_powers_of_two_within_their_range():
    for level, want in ((2.0**5, 10 + OFFSET), (2.0**-3, -6 + OFFSET), (0, LEVELS[0])):
        E = bands.energies(jnp.full((2, C.n_latents), level, jnp.float32), jnp.asarray([0.0, 1.0]), C)
        np.testing.assert_array_equal(E, want)


def test_a_panned_sound_leaves_nothing_to_the_side():
    M = jnp.asarray(LINES)
    for a in (-8, -3, 0, 5, 8):
        S = a / band_layout.PREDICTION_STEPS * M
        np.testing.assert_array_equal(bands.prediction_coefficients(M, S, jnp.asarray(IS_SHORT), C), a)


def test_sounds_that_have_nothing_in_common_are_not_predicted():
    S = jnp.asarray(np.random.default_rng(2).standard_normal(LINES.shape), jnp.float32)
    A = np.asarray(bands.prediction_coefficients(jnp.asarray(LINES), S, jnp.asarray(IS_SHORT), C))
    assert (A[:, 12:] == 0).mean() > 0.9  # narrow bands agree by chance
    assert (np.asarray(bands.prediction_coefficients(jnp.zeros_like(S), S, jnp.asarray(IS_SHORT), C)) == 0).all()
