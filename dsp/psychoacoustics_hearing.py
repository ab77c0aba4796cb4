"""Properties of hearing: critical-band rate, threshold in quiet, and spreading of masking."""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, real


def hz_to_bark(frequency_hz: ArrayLike) -> np.ndarray:
    """Return the critical-band rate z of frequencies, by the formula of Zwicker and Terhardt.

    Parameters
    ----------
    frequency_hz : array_like, any shape
        Frequencies in Hz, at least 0.

    Returns
    -------
    ndarray, same shape
        z in Bark, 0 to about 25 over the hearing range.

    Raises
    ------
    ValueError
        If a frequency is negative or not finite.

    References
    ----------
    E. Zwicker, E. Terhardt, "Analytical expressions for critical-band rate and critical bandwidth as a
    function of frequency", J. Acoust. Soc. Am. 68(5), 1980, eq. (1).

    Examples
    --------
    >>> hz_to_bark([100.0, 1000.0, 10000.0]).round(2)
    array([ 0.99,  8.51, 22.42])
    """
    f_khz = _frequencies(frequency_hz) / 1000
    with np.errstate(over="ignore"):  # infinity has the right limit
        return 13 * np.arctan(0.76 * f_khz) + 3.5 * np.arctan((f_khz / 7.5) ** 2)


def threshold_in_quiet_db(frequency_hz: ArrayLike) -> np.ndarray:
    """Return the level of the softest pure tone that a young listener hears in silence, by the formula of Terhardt.

    Parameters
    ----------
    frequency_hz : array_like, any shape
        Frequencies in Hz, at least 0. Below 20 Hz the result is that at 20 Hz, because the formula has a pole at 0.

    Returns
    -------
    ndarray, same shape
        Thresholds in dB SPL: about -5 at 3.3 kHz, more than 96 above 17.7 kHz.

    Raises
    ------
    ValueError
        If a frequency is negative or not finite.

    References
    ----------
    E. Terhardt, "Calculating virtual pitch", Hearing Research 1(2), 1979, eq. (1).

    Examples
    --------
    >>> threshold_in_quiet_db([100.0, 1000.0, 3300.0]).round(2)
    array([22.95,  3.37, -4.98])
    """
    f_khz = np.maximum(_frequencies(frequency_hz), 20.0) / 1000
    with np.errstate(over="ignore"):  # infinity is the right limit
        return 3.64 * f_khz**-0.8 - 6.5 * np.exp(-0.6 * (f_khz - 3.3) ** 2) + 1e-3 * f_khz**4


def spreading_db(dz_bark: ArrayLike, level_db: ArrayLike) -> np.ndarray:
    """Return the decrease of masking with the distance from the masker, the function vf of the standard.

    Parameters
    ----------
    dz_bark : array_like
        Critical-band rate of the masked line minus that of the masker, in Bark; broadcast against `level_db`.
    level_db : array_like
        Level X of the masker in dB SPL. Louder maskers mask a wider range of higher frequencies.

    Returns
    -------
    ndarray
        vf in dB, 0 at the masker, and -inf outside -3 <= dz < 8.

    Raises
    ------
    ValueError
        If an argument holds NaN or infinity, or the shapes do not broadcast.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1, step 6.

    Examples
    --------
    >>> spreading_db([-2.0, -0.5, 0.0, 1.0, 3.0, 8.0], 60.0)
    array([-47., -15.,   0., -17., -33., -inf])
    """
    dz, X = finite("dz_bark", dz_bark, min_ndim=0), finite("level_db", level_db, min_ndim=0)
    try:
        np.broadcast_shapes(dz.shape, X.shape)
    except ValueError:
        raise ValueError(
            f"`level_db` has shape {X.shape}, it must broadcast with that of `dz_bark`, {dz.shape}"
        ) from None
    # The four linear parts are continuous at dz = -1, 0 and 1, so they are computed as a sum of clipped ramps.
    vf = (
        17 * np.minimum(dz + 1, 0)  # -3 <= dz < -1
        + (0.4 * X + 6) * np.clip(dz, -1, 0)  # -1 <= dz < 0
        - 17 * np.clip(dz, 0, 1)  # 0 <= dz < 1
        - (17 - 0.15 * X) * np.maximum(dz - 1, 0)  # 1 <= dz < 8
    )
    return np.where((dz >= -3) & (dz < 8), vf, -np.inf)


def _frequencies(frequency_hz: ArrayLike) -> np.ndarray:
    f = real("frequency_hz", frequency_hz, min_ndim=0)
    is_valid = np.isfinite(f) & (f >= 0)
    if not is_valid.all():
        raise ValueError(f"`frequency_hz` has a value of {f[~is_valid][0]:g}, all values must be finite and at least 0")
    return f
