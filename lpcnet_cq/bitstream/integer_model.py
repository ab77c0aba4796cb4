"""The entropy model as it is used: integers in, integers out, on every machine alike.

Place in the chain: between the integers of a packet and the range coder. `freeze` rounds the trained network of
`entropy` to fixed point; from then on means, scales and frequencies are integer arithmetic on decoded integers, so
that a stream decodes to the same symbols everywhere. Rounding costs less than 0.1 % of the rate.

Fixed point: activations have 8 fractional bits, weights 12, sums 20. A mean is used to 1/16, a scale to 1/8 octave;
the pair selects one of 64 x 16 frequency tables of a logistic distribution, each summing to 2^16.

References
----------
J. Balle et al., "Integer networks for data compression with latent-variable models", ICLR 2019.
"""

import copy
from typing import Any, NamedTuple

import numpy as np

from lpcnet_cq.config import CodecConfig, MusicConfig
from lpcnet_cq.speech.entropy import ACT_MAX, CLIP, SIDE_CLIP, SIDE_SCALE

Array = Any  # of NumPy, or of the library given to `IntegerModel.on`
ACT_BITS, WEIGHT_BITS, SUM_BITS = 8, 12, 20
MEAN_BITS = 4  # means to 1/16
N_SCALES = 64
SCALES_PER_OCTAVE = 8
LOG2_SCALE_MIN = -4.0
HALF_WIDTH = 40  # widest table; integers outside take the escape
ESCAPE = 2 * HALF_WIDTH + 1  # symbol of an integer outside its table
TOTAL = 1 << 16
PER_NEPER = SCALES_PER_OCTAVE / np.log(2)


def logistic_table(scale: float, fraction: float) -> np.ndarray:
    """Return cumulative frequencies of n - floor(mean), shape (2 * HALF_WIDTH + 3,), the last symbol the escape.

    Parameters
    ----------
    scale : float
        Logistic scale s.
    fraction : float
        mean - floor(mean), 0..1.
    """
    edges = np.arange(-HALF_WIDTH, HALF_WIDTH + 2) - 0.5
    cdf = 0.5 * (1 + np.tanh(0.5 * (edges - fraction) / scale))
    p = np.append(np.diff(cdf), cdf[0] + 1 - cdf[-1])
    n_symbols = len(p)
    frequency = 1 + np.floor(p * (TOTAL - n_symbols)).astype(np.int64)
    frequency[np.argmax(frequency)] += TOTAL - frequency.sum()
    return np.concatenate([[0], np.cumsum(frequency)])


def frequency_tables() -> np.ndarray:
    """Return all cumulative tables, int32, shape (N_SCALES, 16, 2 * HALF_WIDTH + 3)."""
    scales = 2.0 ** (LOG2_SCALE_MIN + np.arange(N_SCALES) / SCALES_PER_OCTAVE)
    fractions = np.arange(1 << MEAN_BITS) / (1 << MEAN_BITS)
    return np.array([[logistic_table(s, f) for f in fractions] for s in scales], np.int32)


def fixed_weight(w, factor=1.0) -> np.ndarray:
    """Return weights times a factor in fixed point, int32."""
    return np.round(np.asarray(w, np.float64) * factor * (1 << WEIGHT_BITS)).astype(np.int32)


def fixed_bias(b) -> np.ndarray:
    """Return biases in the fixed point of sums, int64."""
    return np.round(np.asarray(b, np.float64) * (1 << SUM_BITS)).astype(np.int64)


def _table_steps(K):
    """Return the unit and the offset of K means and K log-scales, the latter in table steps."""
    unit = np.concatenate([np.ones(K), np.full(K, PER_NEPER)])
    return unit, np.concatenate([np.zeros(K), np.full(K, -LOG2_SCALE_MIN * SCALES_PER_OCTAVE)])


def _output(w, b, K):
    """Freeze a layer that gives K means and K log-scales."""
    unit, offset = _table_steps(K)
    return fixed_weight(np.asarray(w) * unit), fixed_bias(np.asarray(b) * unit + offset)


def _triangular(p, prefix, scale_factor):
    return {
        f"{prefix}_mean": fixed_bias(np.triu(p["mean"], 1)),
        f"{prefix}_scale": fixed_bias(np.triu(p["scale"], 1) * scale_factor * PER_NEPER),
    }


def freeze(entropy: dict, c: CodecConfig) -> dict[str, np.ndarray]:
    """Round the trained entropy model to integers.

    Parameters
    ----------
    entropy : dict
        Nested parameters of `entropy.EntropyModel`.
    c : CodecConfig

    Returns
    -------
    dict of integer arrays, to be stored beside the weights
    """
    side, lat = entropy["side"], entropy["latent"]
    w3, b3 = _output(lat["w3"], lat["b3"], c.n_latents)
    return {
        **freeze_side(side),
        "latent_ws": fixed_weight(lat["ws"], SIDE_SCALE),
        "latent_bs": fixed_bias(np.asarray(lat["step"]) + np.asarray(lat["bs"])),
        "latent_wp": fixed_weight(lat["wp"]),
        "latent_bp": fixed_bias(lat["bp"]),
        "latent_wy": fixed_weight(lat["wy"]),
        "latent_w2": fixed_weight(lat["w2"]),
        "latent_b2": fixed_bias(lat["b2"]),
        "latent_w3": w3,
        "latent_b3": b3,
        "tables": frequency_tables(),
        **_triangular(lat["triangular"], "latent_tri", 1.0),
    }


def freeze_side(side: dict) -> dict[str, np.ndarray]:
    """Round the model of side information, `entropy.SideModel`, to integers."""
    w2, b2 = _output(side["w2"], side["b2"], side["skip"].shape[1])
    return {
        "side_w1": fixed_weight(side["w1"], SIDE_SCALE),
        "side_b1": fixed_bias(side["b1"]),
        "side_w2": w2,
        "side_b2": b2,
        "side_skip": fixed_weight(side["skip"]),
        **_triangular(side["triangular"], "side_tri", SIDE_SCALE),
    }


def thaw(integers: dict[str, np.ndarray], c: CodecConfig) -> dict:
    """Invert `freeze`, but for rounding: files that hold the entropy model as integers alone can be trained on.

    Of two biases that `freeze` adds up, the first gets the sum.

    Returns
    -------
    dict
        Nested parameters of `entropy.EntropyModel`, float32.
    """
    n, K, D = integers, c.order + c.spec.n_subframes, c.n_latents

    def weight(name, factor: Array = 1.0):
        return np.asarray(n[name] / (factor * (1 << WEIGHT_BITS)), np.float32)

    def bias(name, factor: Array = 1.0, offset: Array = 0.0):
        return np.asarray((n[name] / (1 << SUM_BITS) - offset) / factor, np.float32)

    def triangular(prefix, factor):
        return {"mean": bias(f"{prefix}_mean"), "scale": bias(f"{prefix}_scale", factor * PER_NEPER)}

    side_unit, latent_unit = _table_steps(K), _table_steps(D)
    side = {"w1": weight("side_w1", SIDE_SCALE), "b1": bias("side_b1"), "skip": weight("side_skip")}
    side |= {"w2": weight("side_w2", side_unit[0]), "b2": bias("side_b2", *side_unit)}
    latent = {"ws": weight("latent_ws", SIDE_SCALE), "step": bias("latent_bs")}
    latent |= {"bs": np.zeros_like(latent["step"][0])}
    latent |= {name: weight(f"latent_{name}") for name in ("wp", "wy", "w2")}
    latent |= {name: bias(f"latent_{name}") for name in ("bp", "b2")}
    latent |= {"w3": weight("latent_w3", latent_unit[0]), "b3": bias("latent_b3", *latent_unit)}
    return {
        "side": side | {"triangular": triangular("side_tri", SIDE_SCALE)},
        "latent": latent | {"triangular": triangular("latent_tri", 1.0)},
    }


def activate(total: Array) -> Array:
    """Round a sum to an activation and clip it, all integer."""
    half = 1 << (SUM_BITS - ACT_BITS - 1)
    return ((total + half) >> (SUM_BITS - ACT_BITS)).clip(0, int(ACT_MAX) << ACT_BITS)


def product(u: Array, w: Array) -> Array:
    """Multiply integers (..., K) and a matrix (K, N) by way of float64, whose 53 bits hold every partial sum exactly.

    The sums stay below 2^40, so that no order of summation and no machine can change them; BLAS makes it fast, where it
    gets two matrices and not a stack of small ones.
    """
    flat = u.reshape(-1, u.shape[-1]).astype(np.float64) @ w.astype(np.float64)
    return flat.astype(np.int64).reshape(*u.shape[:-1], w.shape[-1])


def locate(mean: Array, scale: Array) -> tuple[Array, Array, Array]:
    """Return the table (scale and fraction index) and the integer part of the mean, from sums."""
    m = (mean + (1 << (SUM_BITS - MEAN_BITS - 1))) >> (SUM_BITS - MEAN_BITS)
    s = ((scale + (1 << (SUM_BITS - 1))) >> SUM_BITS).clip(0, N_SCALES - 1)
    return s, m & ((1 << MEAN_BITS) - 1), m >> MEAN_BITS


class Triangle(NamedTuple):
    """Say what the integers of a vector tell of those behind them: the triangular terms.

    A walk along a vector starts from sums (mean, scale), (..., K) each, which other vectors gave.
    """

    mean: Array
    scale: Array
    clip: int

    def along(self, state: tuple[Array, Array], n: Array) -> tuple[Array, Array]:
        """Return the sums for all integers of known vectors n (..., K)."""
        c = n.clip(-self.clip, self.clip)
        return state[0] + product(c, self.mean), state[1] + product(abs(c), self.scale)

    def expect(self, state: tuple[Array, Array], k: Array) -> tuple[Array, Array]:
        """Return the sums for integer k of one vector."""
        return state[0][k], state[1][k]

    def learn(self, state: tuple[Array, Array], k: Array, value: Array) -> tuple[Array, Array]:
        """Return the sums once integer k is known."""
        c = value.clip(-self.clip, self.clip)
        return state[0] + c * self.mean[k], state[1] + abs(c) * self.scale[k]


class IntegerModel:
    """Give the frequency table of every integer of a packet from integers decoded before.

    Means and scales come as sums with 20 fractional bits; `locate` makes tables of them. What the integers of a vector
    tell of each other is left to `side_walk` and `latent_walk`.
    """

    def __init__(self, integers: dict[str, np.ndarray], c: CodecConfig | MusicConfig):
        self.w = {k: v.astype(np.float64) for k, v in integers.items() if v.ndim == 2 and not k.endswith("_bs")}
        self.b = {k: v.astype(np.int64) for k, v in integers.items() if v.ndim == 1 or k.endswith("_bs")}
        self.tri = {k: v.astype(np.int64) for k, v in integers.items() if "_tri_" in k}
        self.K, self.D, self.S, self.segment_packets = c.n_side, c.n_latents, c.n_vectors, c.segment_packets
        self.context, self.n_steps, self.nominal_step = c.context, c.n_steps, c.nominal_step
        self.layer_steps = c.layer_steps
        self.side_parts = c.side_parts
        self.cumulative: Array = integers["tables"].astype(np.int64)
        self.bits = (np.log2(TOTAL) - np.log2(np.diff(self.cumulative))).astype(np.float32)  # of every symbol
        self.xp = np

    def on(self, xp) -> "IntegerModel":
        """Return the same model with the arrays of another array library, for code compiled with it."""
        other = copy.copy(self)
        other.xp, other.cumulative = xp, xp.asarray(self.cumulative)
        for name in ("w", "b", "tri"):
            setattr(other, name, {k: xp.asarray(v) for k, v in getattr(self, name).items()})
        return other

    def trits(self, table: Array, middle: Array) -> Array:
        """Return the frequencies of three neighbouring integers alone, (..., 3), from the table they stand in.

        One that the table does not hold counts as of frequency 1; what rounding leaves goes to the middle.

        Parameters
        ----------
        table : array (..., 2 * HALF_WIDTH + 3)
            Cumulative frequencies of the distance from the mean's floor.
        middle : array (...)
            That distance for the middle one.
        """
        symbol = middle[..., None] + (np.arange(-1, 2) + HALF_WIDTH)
        at = symbol.clip(0, ESCAPE - 1)
        f = self.xp.take_along_axis(table, at + 1, -1) - self.xp.take_along_axis(table, at, -1)
        f = self.xp.where(symbol == at, f, 1)
        f = 1 + f * (TOTAL - 3) // f.sum(axis=-1, keepdims=True)
        return self.xp.stack([f[..., 0], TOTAL - f[..., 0] - f[..., 2], f[..., 2]], axis=-1)

    def side(self, before: Array) -> tuple[Array, Array]:
        """Return sums of means and scales (..., K) from the two side vectors before, (..., 2, K), oldest first."""
        w, b, K = self.w, self.b, self.K
        past = before.clip(-SIDE_CLIP, SIDE_CLIP)
        u = self.xp.concatenate([past[..., 1, :], past[..., 0, :]], axis=-1) << ACT_BITS
        out = product(activate(product(u, w["side_w1"]) + b["side_b1"]), w["side_w2"]) + b["side_b2"]
        return out[..., :K] + product(u, w["side_skip"]), out[..., K:]

    @property
    def side_walk(self) -> Triangle:
        """What side integers tell of each other."""
        return Triangle(self.tri["side_tri_mean"], self.tri["side_tri_scale"], SIDE_CLIP)

    @property
    def latent_walk(self) -> Any:
        """What the latents of a vector tell of each other."""
        return Triangle(self.tri["latent_tri_mean"], self.tri["latent_tri_scale"], CLIP)

    def packet_context(self, before: Array, side: Array, step: Array) -> Any:
        """Return what the side information tells of each subframe's latents, (..., S, H), as sums.

        Parameters
        ----------
        before : array (..., 2, K)
            The two side vectors before, oldest first.
        side : array (..., K)
        step : array (...)
        """
        w, b = self.w, self.b
        u = self.xp.concatenate([side, before[..., 1, :]], axis=-1).clip(-SIDE_CLIP, SIDE_CLIP) << ACT_BITS
        h = activate(product(u, w["latent_ws"]) + b["latent_bs"][step])
        return (product(h, w["latent_wp"]) + b["latent_bp"]).reshape(*h.shape[:-1], self.S, -1)

    def latent(self, context: Any, before: Array) -> Any:
        """Return sums of means and scales (..., D) of subframes, for `latent_walk` to start from.

        Parameters
        ----------
        context : array (..., H)
            From `packet_context`.
        before : array (..., context, D)
            Latents of the subframes before, oldest first.
        """
        w, b, D = self.w, self.b, self.D
        y = before.clip(-CLIP, CLIP).reshape(*before.shape[:-2], -1) << ACT_BITS
        h = activate(context + product(y, w["latent_wy"]))
        h = activate(product(h, w["latent_w2"]) + b["latent_b2"])
        out = product(h, w["latent_w3"]) + b["latent_b3"]
        return out[..., :D], out[..., D:]

    def latents(self, before: Array, side: Array, step: Array, window: Array, n: Array) -> tuple[Array, Array]:
        """Return sums of means and scales (T, S, D) for all latents of known packets.

        Parameters
        ----------
        before : array (T, 2, K)
        side : array (T, K)
        step : array (T,)
        window : array (T, S, context, D)
            The vectors before each vector of latents, oldest first.
        n : array (T, S, D)
        """
        return self.latent_walk.along(self.latent(self.packet_context(before, side, step), window), n)
