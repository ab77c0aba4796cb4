"""Entropy model of music in NumPy: the integers of `lpcnet_cq.music.integer_model`, for encoders and packet readers.

Place in the chain: as `music.integer_model`. Inputs that depend on bands are computed per band, neighbours of lines
once per spectrum and in 16 bits. The network runs spectrum by spectrum, so that its arrays fit into the cache.

Letters: T packets, D lines, b bands, V spectra, F features.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lpcnet_cq.bitstream.fixed_point import ACT_BITS, SUM_BITS, Array
from lpcnet_cq.bitstream.frequency_tables import Expected, expected
from lpcnet_cq.light.music.line_network import LineNetwork, sizes_below
from lpcnet_cq.light.music.line_sums import LineSums, effects
from lpcnet_cq.music.band_layout import OFFSET
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.line_features import LOG8, MAX_MAGNITUDE, NEAR_SUM, RANGE, WIDE_SUM, padded_sums, unpack_side
from lpcnet_cq.music.step_exponents import LIMITS, PER_ENERGY

CHUNK = 8  # packets whose inputs are computed together
LOG8_16 = LOG8.astype(np.int16)
OF_LINES = 5  # number of features that depend on lines; the others depend on bands only


class BandContext(NamedTuple):
    """Hold the inputs that depend on step sizes and energies, of T packets.

    Attributes
    ----------
    difference : int16 array (3, T, 2, D)
        As in `line_features.Context`.
    of_bands : float64 array (T, 2, F - 5, b)
        Features that depend on the band of a line only.
    layout : int array (T, D)
        Band of every line.
    kind : int array (T, 2)
        As in `line_features.Context`.
    """

    difference: np.ndarray
    of_bands: np.ndarray
    layout: np.ndarray
    kind: np.ndarray


class LightLineModel(LineModel):
    """Predict as `LineModel`."""

    def exponents(self, side: Array) -> np.ndarray:
        """Return the exponents of step sizes, see `LineModel.exponents`; products are exact in float64."""
        is_short, E, _ = unpack_side(np, side, self.bands)
        u = np.concatenate([E, E[..., ::-1, :]], axis=-1).reshape(-1, 2, 2 * self.bands).swapaxes(0, 1)
        total = u @ self._steps_w + self._steps_b  # [long, short][channel][packet]
        s = np.where(is_short.reshape(-1, 1) > 0, total[1], total[0])
        np.floor(s, out=s)
        return s.clip(*LIMITS).swapaxes(0, 1).reshape(E.shape).astype(np.int64)

    def read_context(self, before: np.ndarray, side: np.ndarray, step: int, known: int) -> BandContext:
        """Return the context of the lines of one packet, see `IntegerModel.read_context`."""
        return self._context(before[None], side[None], np.atleast_1d(step))

    def latent_sums(self, context: BandContext, i: int, before: np.ndarray) -> LineSums:
        """Return the running sums of the lines of channel i, see `IntegerModel.latent_sums`."""
        older, own, other = np.moveaxis(neighbour_logs(before[[0, 2, 3]]), 1, 0)
        of_lines = line_features(older, own, other, context.difference[:, 0, i])
        f = self._rows(of_lines, context.of_bands[0, i], context.layout[0])
        kind, network = context.kind[0, i], self._network
        return LineSums(self._effects, network.w3, network.base(f, kind), network.offset(f, kind))

    def latents(self, context: Any, vectors: np.ndarray, n: np.ndarray) -> Expected:
        """Return what `IntegerModel.latents` returns."""
        before, side, step, _ = context
        scale = np.empty(n.shape, np.int64)
        for t in range(0, len(n), CHUNK):
            part = slice(t, t + CHUNK)
            near = vectors[2 * t : 2 * (t + CHUNK) + self.context]
            self._scales(self._context(before[part], side[part], step[part]), near, n[part], scale[part])
        return expected(np.zeros_like(scale), scale)

    def _scales(self, context: BandContext, vectors: np.ndarray, n: np.ndarray, scale: np.ndarray) -> None:
        """Write the sums of scales of packets n (T, 2, D), given the spectra before them and of them."""
        logs, sizes = neighbour_logs(vectors), sizes_below(n)
        older, own, other = (logs[:, i : i + 2 * len(n)].reshape(2, *n.shape) for i in (0, 2, 3))
        of_lines = line_features(older, own, other, context.difference)
        for t, layout in enumerate(context.layout):
            for i, kind in enumerate(context.kind[t]):
                f = self._rows(of_lines[:, t, i], context.of_bands[t, i], layout)
                scale[t, i] = self._network.scales(f, kind, sizes[t, i])

    def _context(self, before: np.ndarray, side: np.ndarray, step: np.ndarray) -> BandContext:
        """Return the context of T packets."""
        sides = np.stack([side, before[:, 1], before[:, 0]])
        flags, E, _ = unpack_side(np, sides, self.bands)
        s, layouts = self.exponents(sides).astype(np.int16), self.b["layout"][flags]
        now, first, second = (
            np.stack([v.take(row, axis=-1) for v, row in zip(*both, strict=True)])
            for both in zip(s, layouts, strict=True)
        )
        other = np.stack([first[:, 1], now[:, 0]], axis=1)
        level, exponent = PER_ENERGY * (E[0] - OFFSET), s[0] + self.b["step_exponents"][step][:, None, None]
        edged = np.concatenate([level[..., :1], level, level[..., -1:]], axis=-1)
        relative = [v - exponent for v in (level, edged[..., :-2], edged[..., 2:])]
        band = np.broadcast_to(3 * np.arange(self.bands) - RANGE[0], level.shape)
        of_bands = clipped(np.stack([*relative, band, exponent // 2], axis=2)).astype(np.float64)
        difference = np.stack([first - now, second - now, other - now])
        return BandContext(difference, of_bands, layouts[0], 2 * flags[0][:, None] + np.arange(2))

    @staticmethod
    def _rows(of_lines: np.ndarray, of_bands: np.ndarray, layout: np.ndarray) -> np.ndarray:
        """Return the input of the network, (F + 1, D): features of lines (5, D), of bands (F - 5, b), and ones."""
        f = np.empty((len(of_lines) + len(of_bands) + 1, len(layout)))
        f[:OF_LINES] = of_lines
        of_bands.take(layout, axis=1, out=f[OF_LINES:-1], mode="clip")
        f[-1] = 1
        return f

    @cached_property
    def _steps_w(self) -> np.ndarray:
        """Weights of `exponents`, for sums in units of exponents, (2, 2, 2 b, b)."""
        return self.w["steps_w"].reshape(2, 2, -1, self.bands) * 2.0 ** (ACT_BITS - SUM_BITS)

    @cached_property
    def _steps_b(self) -> np.ndarray:
        """Biases of `exponents`, and the half that rounds when floats are rounded down, (2, 2, 1, b)."""
        return self.b["steps_bs"].reshape(2, 2, 1, self.bands) * 2.0**-SUM_BITS + 0.5

    @cached_property
    def _network(self) -> LineNetwork:
        return LineNetwork(self.w, self.b)

    @cached_property
    def _effects(self) -> np.ndarray:
        return effects(self._network)


def neighbour_logs(n: np.ndarray) -> np.ndarray:
    """Return the logarithms of the weighted means of magnitudes around lines (V, D), near and wide, int16 (2, V, D)."""
    m = np.zeros((len(n), n.shape[1] + 8), np.int16)
    np.minimum(abs(n), MAX_MAGNITUDE, out=m[:, 4:-4], casting="unsafe")
    near, wide = padded_sums(m)
    return np.stack([LOG8_16.take(near) - np.int16(NEAR_SUM), LOG8_16.take(wide) - np.int16(WIDE_SUM)])


def line_features(older: np.ndarray, own: np.ndarray, other: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Return the features that depend on lines, int16 (5, ..., D).

    Parameters
    ----------
    older, own, other : int16 arrays (2, ..., D)
        `neighbour_logs` of the spectra of `line_features.features`.
    difference : int16 array (3, ..., D)
    """
    first, second, channel = difference
    return clipped(
        np.stack([own[0] + first, own[1] + first, older[0] + second, other[0] + channel, other[1] + channel])
    )


def clipped(f: np.ndarray) -> np.ndarray:
    """Clip features, shift them to 0..95, and return them; in place."""
    np.maximum(f, -RANGE[0], out=f)
    np.minimum(f, RANGE[1], out=f)
    f += RANGE[0]
    return f
