"""Side information in NumPy against that in JAX."""

import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.light.music.bands import Bands
from lpcnet_cq.music import bands
from lpcnet_cq.music.config import MusicConfig

C = MusicConfig()


@pytest.fixture(scope="module")
def spectra(normal, flags):
    """Return lines of the mid and of the side channel, (T, D), with levels from silence to full scale."""
    level = np.exp2(np.linspace(-18, 0, len(flags), dtype=np.float32))[:, None]
    M, other = normal(2, len(flags), C.n_latents) * level
    return M, 0.7 * M + 0.2 * other


def test_sums_over_bands_and_lines_of_bands(spectra, flags):
    for v in spectra:
        sums = Bands(C).sums(v, flags)
        expected = bands.band_sums(jnp.asarray(v), jnp.asarray(flags, jnp.float32), C)
        np.testing.assert_allclose(sums, expected, atol=1e-5 * np.abs(v).max() * C.n_latents)
        spread = Bands(C).lines(np.float32(sums), flags)
        lines = bands.lines_of_bands(jnp.asarray(sums, jnp.float32), jnp.asarray(flags, jnp.float32), C)
        np.testing.assert_array_equal(spread, lines)


def test_energies_and_coefficients(spectra, flags):
    """The same integers; the test signal has no ties."""
    M, S = spectra
    is_short = jnp.asarray(flags, jnp.float32)
    wide = [v.astype(np.float64) for v in spectra]
    for v, w in zip(spectra, wide, strict=True):
        np.testing.assert_array_equal(Bands(C).energies(w, flags), bands.energies(jnp.asarray(v), is_short, C))
    expected = bands.prediction_coefficients(jnp.asarray(M), jnp.asarray(S), is_short, C)
    found = Bands(C).prediction_coefficients(*wide, flags)
    np.testing.assert_array_equal(found, expected)
    assert 0 < np.mean(found == 0) < 1
