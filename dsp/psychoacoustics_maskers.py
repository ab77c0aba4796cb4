"""Find tonal and noise maskers in a power spectrum, and remove maskers without effect.

These are steps 4 and 5 of psychoacoustic model 1 (ISO/IEC 11172-3:1993, annex D.1) for N = 512 samples, as in layer 1.
Arrays (..., K), K = N/2 + 1, hold the levels of maskers in dB SPL at their spectral lines, and -inf at other lines.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import number, real, shown
from dsp.psychoacoustics_hearing import hz_to_bark, threshold_in_quiet_db

N_FFT = 512
"""Samples per frame (layer 1), at every sample rate."""

SAMPLE_RATES_HZ = (16000, 32000, 44100, 48000)
"""The three rates of ISO/IEC 11172-3, and 16 kHz of ISO/IEC 13818-3 with the same rules for each line."""

# First and last line of a range, and up to which distance in lines the level must be 7 dB lower (D.1, step 4, layer 1).
_TONE_RANGES = ((3, 62, 2), (63, 126, 3), (127, 250, 6))
_TONE_STEP_DB = 7.0
_PAIR_BARK = 0.5  # of two tones that are closer than this, the weaker one is removed


@dataclass(frozen=True)
class SpectralLines:
    """Hold tables of one sample rate: values per line, and first line and centre of every critical band."""

    frequency_hz: np.ndarray
    bark: np.ndarray
    quiet_db: np.ndarray
    band_start: np.ndarray
    band_centre: np.ndarray


def find_maskers(level_db: ArrayLike, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a spectrum into tonal maskers and noise maskers, one noise masker per critical band.

    Parameters
    ----------
    level_db : array_like, shape (..., 257)
        Levels X(k) in dB SPL, from `power_spectrum_db`.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.

    Returns
    -------
    tonal_db, noise_db : ndarray, shape (..., 257)
        Levels of the maskers in dB SPL at their lines, -inf at other lines. A tonal masker has the power of three
        lines. The noise masker of a band has the power of all lines that belong to no tone; its line is the geometric
        mean of the lines of the band.

    Raises
    ------
    ValueError
        If `level_db` does not have 257 lines or holds NaN, or the sample rate is not in `SAMPLE_RATES_HZ`.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1, step 4 (layer 1).

    Examples
    --------
    >>> level_db = np.full(257, -200.0)
    >>> level_db[39:42] = 68.22, 74.24, 68.22
    >>> tonal_db, noise_db = find_maskers(level_db, 16000)
    >>> np.flatnonzero(tonal_db > 0).tolist(), tonal_db[40].round(2).item()
    ([40], 76.0)
    """
    X, lines = _levels(level_db, "level_db"), spectral_lines(sample_rate_hz)
    power = 10 ** (X / 10)
    tone, claimed = _find_tones(X)
    tonal_db = np.full(X.shape, -np.inf)
    three = power[..., :-2] + power[..., 1:-1] + power[..., 2:]
    inner = tone[..., 1:-1]
    tonal_db[..., 1:-1][inner] = 10 * np.log10(three[inner])

    noise_power = np.where(claimed, 0.0, power)
    noise_power[..., 0] = 0.0  # the bands begin at line 1
    noise = np.add.reduceat(noise_power, lines.band_start, axis=-1)
    noise_db = np.full(X.shape, -np.inf)
    with np.errstate(divide="ignore"):  # a band without noise gives -inf
        noise_db[..., lines.band_centre] = 10 * np.log10(noise)
    return tonal_db, noise_db


def decimate(tonal_db: ArrayLike, noise_db: ArrayLike, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Remove inaudible maskers, and of tonal maskers within 0.5 Bark all except the strongest one.

    Tones are processed from the strongest to the weakest, and each kept tone removes its weaker neighbours. Therefore
    kept tones are at least 0.5 Bark apart, and each removed tone has a stronger kept tone within 0.5 Bark.

    Parameters
    ----------
    tonal_db, noise_db : array_like, shape (..., 257)
        Maskers in dB SPL, from `find_maskers`; -inf at other lines.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.

    Returns
    -------
    tonal_db, noise_db : ndarray, shape (..., 257)
        Remaining maskers, -inf at other lines. Of two tones with equal level, the lower frequency is kept.

    Raises
    ------
    ValueError
        If shapes differ or do not end with 257, a level is NaN, or the sample rate is not in `SAMPLE_RATES_HZ`.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1, step 5.

    Examples
    --------
    >>> tonal_db, noise_db = np.full((2, 257), -np.inf)
    >>> tonal_db[[100, 103, 150]] = 50.0, 60.0, -20.0
    >>> np.isfinite(decimate(tonal_db, noise_db, 16000)[0]).nonzero()[0].tolist()
    [103]
    """
    tonal, noise = masker_pair(tonal_db, noise_db)
    lines = spectral_lines(sample_rate_hz)
    tonal = np.where(tonal >= lines.quiet_db, tonal, -np.inf)
    noise = np.where(noise >= lines.quiet_db, noise, -np.inf)
    flat = tonal.reshape(-1, tonal.shape[-1])
    frame, line = np.nonzero(np.isfinite(flat))
    kept = _strongest(frame, lines.bark[line], flat[frame, line])
    flat[frame[~kept], line[~kept]] = -np.inf
    return flat.reshape(tonal.shape), noise


def spectral_lines(sample_rate_hz: int) -> SpectralLines:
    """Return the tables of one sample rate; a band consists of the lines, from line 1, with equal integer part of z."""
    if number(sample_rate_hz) not in SAMPLE_RATES_HZ:
        raise ValueError(f"`sample_rate_hz` is {shown(sample_rate_hz)}, it must be one of {SAMPLE_RATES_HZ}")
    return _spectral_lines(int(sample_rate_hz))


@lru_cache(maxsize=len(SAMPLE_RATES_HZ))
def _spectral_lines(sample_rate_hz: int) -> SpectralLines:
    f = np.arange(N_FFT // 2 + 1) * (sample_rate_hz / N_FFT)
    z = hz_to_bark(f)
    start = 1 + np.flatnonzero(np.diff(np.floor(z[1:]), prepend=-1.0))
    stop = np.append(start[1:], f.size)
    mean_log = [np.log(np.arange(a, b)).mean() for a, b in zip(start, stop, strict=True)]
    centre = np.rint(np.exp(mean_log)).astype(np.intp)
    tables = SpectralLines(f, z, threshold_in_quiet_db(f), start, centre)
    for table in vars(tables).values():
        table.flags.writeable = False  # shared by all calls
    return tables


def masker_pair(tonal_db: ArrayLike, noise_db: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return tonal and noise maskers as float64 arrays; raise `ValueError` for wrong shapes and NaN."""
    tonal, noise = _levels(tonal_db, "tonal_db"), _levels(noise_db, "noise_db")
    if tonal.shape != noise.shape:
        raise ValueError(f"`noise_db` has shape {noise.shape}, it must have the shape of `tonal_db`, {tonal.shape}")
    return tonal, noise


def _find_tones(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which lines are tones, and which lines belong to the neighbourhood of a tone."""
    tone, claimed = np.zeros(X.shape, bool), np.zeros(X.shape, bool)
    for first, last, reach in _TONE_RANGES:
        here = X[..., first : last + 1]

        def at(offset: int, first: int = first, last: int = last) -> np.ndarray:
            return X[..., first + offset : last + 1 + offset]

        peak = (here > at(-1)) & (here >= at(1))
        for j in range(2, reach + 1):
            peak &= (here >= at(-j) + _TONE_STEP_DB) & (here >= at(j) + _TONE_STEP_DB)
        tone[..., first : last + 1] = peak
        for offset in range(-reach, reach + 1):
            claimed[..., first + offset : last + 1 + offset] |= peak
    return tone, claimed


def _strongest(frame: np.ndarray, z: np.ndarray, level_db: np.ndarray) -> np.ndarray:
    """Return which tones, sorted by frame and z, are stronger than all kept tones within 0.5 Bark."""
    index = np.arange(frame.size)
    pairs = []
    for step in range(1, frame.size):
        a, b = index[:-step], index[step:]
        near = (frame[a] == frame[b]) & (z[b] - z[a] < _PAIR_BARK)
        if not near.any():
            break
        pairs.append(np.stack([a[near], b[near]]))
    kept = np.ones(frame.size, bool)
    if not pairs:
        return kept
    a, b = np.concatenate(pairs, axis=1)
    while a.size:  # keep tones that are stronger in all pairs, remove their weaker neighbours, repeat for other pairs
        weaker = np.zeros(frame.size, bool)
        weaker[np.where(level_db[a] >= level_db[b], b, a)] = True
        kept[b[~weaker[a]]] = False
        kept[a[~weaker[b]]] = False
        undecided = kept[a] & kept[b]
        a, b = a[undecided], b[undecided]
    return kept


def _levels(level_db: ArrayLike, name: str) -> np.ndarray:
    X = real(name, level_db, min_ndim=0)
    if X.ndim == 0 or X.shape[-1] != N_FFT // 2 + 1:
        raise ValueError(f"`{name}` has shape {X.shape}, its last axis must be {N_FFT // 2 + 1} lines")
    if np.isnan(X).any() or np.isposinf(X).any():
        raise ValueError(f"`{name}` holds NaN or +infinity, all levels must be finite or -infinity")
    return X
