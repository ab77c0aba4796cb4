"""Curves of hearing: critical-band rate, threshold in quiet, spreading of masking. Stateless and exact."""

import numpy as np
from numpy.typing import ArrayLike


def hz_to_bark(frequency_hz: ArrayLike) -> np.ndarray:
    """Critical-band rate z of a frequency, by the closed form of Zwicker and Terhardt.

    Parameters
    ----------
    frequency_hz : array_like, any shape
        Frequencies in Hz, 0 or more.

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
    return 13 * np.arctan(0.76 * f_khz) + 3.5 * np.arctan((f_khz / 7.5) ** 2)


def threshold_in_quiet_db(frequency_hz: ArrayLike) -> np.ndarray:
    """Level of the softest pure tone that a young listener hears in silence, by Terhardt's formula.

    Parameters
    ----------
    frequency_hz : array_like, any shape
        Frequencies in Hz, 0 or more; below 20 Hz the value at 20 Hz is returned, as the formula has a pole
        at zero.

    Returns
    -------
    ndarray, same shape
        Thresholds in dB SPL; about -5 around 3.3 kHz, more than 96 from 17.7 kHz on.

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
    return 3.64 * f_khz**-0.8 - 6.5 * np.exp(-0.6 * (f_khz - 3.3) ** 2) + 1e-3 * f_khz**4


def spreading_db(dz_bark: ArrayLike, level_db: ArrayLike) -> np.ndarray:
    """Decrease of masking with the distance from the masker: the function vf of the standard.

    Parameters
    ----------
    dz_bark : array_like
        Distance maskee minus masker in Bark; broadcast against `level_db`.
    level_db : array_like
        Level X of the masker in dB SPL; louder maskers mask a wider range of higher frequencies.

    Returns
    -------
    ndarray
        vf in dB, 0 at the masker; -inf outside -3 <= dz < 8, where nothing is masked.

    Raises
    ------
    ValueError
        If an argument holds NaN or infinity.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1, step 6.

    Examples
    --------
    >>> spreading_db([-2.0, -0.5, 0.0, 1.0, 3.0, 8.0], 60.0)
    array([-47., -15.,   0., -17., -33., -inf])
    """
    dz, X = np.asarray(dz_bark, dtype=float), np.asarray(level_db, dtype=float)
    for name, values in (("dz_bark", dz), ("level_db", X)):
        if not np.isfinite(values).all():
            raise ValueError(f"`{name}` holds NaN or infinity, it must be finite")
    # The four lines of the standard join at dz = -1, 0 and 1, hence one sum of clipped ramps.
    vf = (
        17 * np.minimum(dz + 1, 0)  # -3 <= dz < -1
        + (0.4 * X + 6) * np.clip(dz, -1, 0)  # -1 <= dz < 0
        - 17 * np.clip(dz, 0, 1)  # 0 <= dz < 1
        - (17 - 0.15 * X) * np.maximum(dz - 1, 0)  # 1 <= dz < 8
    )
    return np.where((dz >= -3) & (dz < 8), vf, -np.inf)


def _frequencies(frequency_hz: ArrayLike) -> np.ndarray:
    f = np.asarray(frequency_hz, dtype=float)
    if not (np.isfinite(f).all() and (f >= 0).all()):
        raise ValueError("`frequency_hz` holds a negative or non-finite value, it must be 0 or more")
    return f
