"""Concealment of lost packets: envelope, gains and pitch continue, then fade to comfort noise.

Place in the chain: in the decoder, where it replaces the content of a lost packet. A small network predicts envelope
and gains from the two packets before. After about 100 ms they fade to those of the quietest packets of the last
seconds. The latents are computed from an excitation that repeats the last pitch period, mixed with noise; a second
network predicts the periodic share at every frequency. The networks of the decoder run as for received packets; their
inputs include the loss of packets. Where the next packet is known, as it is in a jitter buffer, envelope and gains are
interpolated, and the repeated periods become longer or shorter so that they meet the excitation of that packet. Delay:
none.

Letters: B batch, T packets, S subframes per packet, L samples per subframe, M order, D latents, H samples of history.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.nn.noise import uniform_noise
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import (
    ALIGNED,
    DRIFT_COST,
    DRIFTS,
    FADE_FROM,
    FADE_TO,
    FLOOR_MARGIN,
    FLOOR_RISE,
    HISTORY,
    LAG_COST,
    MAX_LAG,
    MIN_LAG,
    NOISE_OFFSET,
    SMOOTH,
    START_LEVEL,
    VOICED,
    WINDOW,
)

HIDDEN = 48


class PacketLoss(NamedTuple):
    """Hold which packets are lost, and the periodic excitation that replaces them.

    Attributes
    ----------
    lost : bool array (B, T)
        Whether the latents of a packet are lost.
    side_lost : bool array (B, T)
        Whether its envelope and gains are also lost; a later packet may repeat them.
    distance : integer array (B, T)
        Distance in packets to the next received packet, if lost envelope and gains are interpolated: those of this
        packet are in their place. 0: they are predicted.
    count : array (B, T)
        Number of consecutive lost packets up to this one; 0 for received packets.
    voicing : array (B, T)
        Correlation between the last pitch period and the one before.
    periodic : array (B, T, S + 1, L)
        Periodic excitation; it starts one subframe before the packet.
    """

    lost: jax.Array
    side_lost: jax.Array
    distance: jax.Array
    count: jax.Array
    voicing: jax.Array
    periodic: jax.Array


def no_loss(c: SpeechConfig, B: int, T: int) -> PacketLoss:
    """Return the `PacketLoss` of packets that are all received."""
    zero, never = jnp.zeros((B, T)), jnp.zeros((B, T), bool)
    distance = jnp.zeros((B, T), jnp.int32)
    periodic = jnp.zeros((B, T, c.spec.n_subframes + 1, c.spec.subframe))
    return PacketLoss(never, never, distance, zero, zero, periodic)


class Concealment(nnx.Module):
    """Hold the two networks: w and b for envelope and gains, v and c for the excitation."""

    def __init__(self, c: SpeechConfig, conditions: int, *, rngs: nnx.Rngs):
        M, S, D = c.order, c.spec.n_subframes, c.n_latents
        n_in = 2 * (M + S) + 3
        self.w1, self.b1 = nnx.Param(jax.random.normal(rngs.params(), (n_in, HIDDEN)) / n_in**0.5), bias(HIDDEN)
        self.w2, self.b2 = nnx.Param(jnp.zeros((HIDDEN, M + S))), bias(M + S)
        n_in = conditions + 2
        self.v1, self.c1 = nnx.Param(jax.random.normal(rngs.params(), (n_in, HIDDEN)) / n_in**0.5), bias(HIDDEN)
        self.v2, self.c2 = nnx.Param(jnp.zeros((HIDDEN, 2 * D))), bias(2 * D)
        self.c2[...] = jnp.concatenate([jnp.zeros(D), jnp.full(D, 0.1)])
        self.M, self.S, self.D, self.L = M, S, D, c.spec.subframe

    def start(self, B: int, lsf_mean: jax.Array, step: int) -> dict:
        """Return the state before the first packet."""
        lsf = jnp.broadcast_to(lsf_mean, (B, self.M))
        return {
            "lsf": jnp.stack([lsf, lsf], axis=1),
            "gain": jnp.full((B, 2, self.S), START_LEVEL, jnp.float32),
            "floor": jnp.full((B, 1), START_LEVEL, jnp.float32),
            "floor_lsf": lsf,
            "history": jnp.zeros((B, HISTORY)),
            "lag": jnp.full((B,), MAX_LAG, jnp.int32),
            "voicing": jnp.zeros((B,)),
            "count": jnp.zeros((B,)),
            "step": jnp.full((B,), step, jnp.int32),
        }

    def conceal_side(self, state: dict, lsf: jax.Array, g: jax.Array, loss: PacketLoss, mean: jax.Array):
        """Replace lost envelopes (B, T, M) and log gains (B, T, S); update the noise floor.

        Returns
        -------
        state : dict
        lsf, g : arrays
        """

        def packet(carry, inputs):
            lsf, g, lost, distance, count, voicing = inputs
            predicted = self.predict_side(carry, count, voicing, mean)
            interpolated = interpolate_side(carry, lsf, g, distance)
            lost_lsf, lost_g = (jnp.where(distance[:, None] > 0, *v) for v in zip(interpolated, predicted, strict=True))
            lsf = jnp.where(lost[:, None], lost_lsf, lsf)
            g = jnp.where(lost[:, None], lost_g, g)
            level = jnp.mean(g, axis=1, keepdims=True)
            floor = jnp.minimum(carry["floor"] + FLOOR_RISE, level)
            received = ~lost[:, None]
            carry = carry | {
                "lsf": jnp.stack([carry["lsf"][:, 1], lsf], axis=1),
                "gain": jnp.stack([carry["gain"][:, 1], g], axis=1),
                "floor": jnp.where(received, floor, carry["floor"]),
                "floor_lsf": jnp.where(received & (level < floor + FLOOR_MARGIN), lsf, carry["floor_lsf"]),
            }
            return carry, (lsf, g)

        names = ("lsf", "gain", "floor", "floor_lsf")
        inputs = (lsf, g, loss.side_lost, loss.distance, loss.count, loss.voicing)
        carry = {name: state[name] for name in names}
        carry, (lsf, g) = jax.lax.scan(packet, carry, tuple(jnp.swapaxes(v, 0, 1) for v in inputs))
        return state | carry, jnp.swapaxes(lsf, 0, 1), jnp.swapaxes(g, 0, 1)

    def predict_side(self, state: dict, count: jax.Array, voicing: jax.Array, mean: jax.Array):
        """Return predicted envelope (B, M) and log gains (B, S) of the packet after the two packets in the state."""
        B = len(count)
        loss_inputs = jnp.stack([count / 4, jnp.where(count >= FADE_FROM, 1.0, 0.0), voicing], axis=1)
        u = [5 * (state["lsf"] - mean).reshape(B, -1), 0.3 * (state["gain"] + 6).reshape(B, -1), loss_inputs]
        out = jax.nn.silu(jnp.concatenate(u, axis=1) @ self.w1[...] + self.b1[...]) @ self.w2[...] + self.b2[...]
        lsf = state["lsf"][:, 1] + 0.1 * out[:, : self.M]
        g = state["gain"][:, 1, -1:] + out[:, self.M :]
        w = comfort_noise_share(count)[:, None]
        quiet = jnp.minimum(g, state["floor"])
        return lsf + w * (state["floor_lsf"] - lsf), g + w * (quiet - g)

    def conceal_latents(self, lapped, loss: PacketLoss, cond: jax.Array, position: jax.Array):
        """Return unscaled latents (B, T*S, D) of lost packets, and noise (B, T*S, D) for zero latents of received ones.

        Parameters
        ----------
        lapped : Lapped
        loss : PacketLoss
        cond : array (B, T*S, C)
            Conditions of the decoder.
        position : integer scalar
            Position of the first subframe in the stream.
        """
        B, T = loss.lost.shape
        voicing = jnp.repeat(loss.voicing, self.S, axis=1)
        loss_inputs = jnp.stack([jnp.repeat(loss.count / 4, self.S, axis=1), voicing], axis=-1)
        h = jax.nn.silu(jnp.concatenate([cond, loss_inputs], axis=-1) @ self.v1[...] + self.c1[...])
        correction, noise_gain = jnp.split(h @ self.v2[...] + self.c2[...], 2, axis=-1)
        initial = 6 * voicing[..., None] - 2 - 3 * jnp.arange(self.D) / self.D
        fade = 1 - jnp.repeat(comfort_noise_share(loss.count), self.S, axis=1)
        share = jax.nn.sigmoid(initial + correction) * fade[..., None]
        periodic = loss.periodic.reshape(B * T, self.S + 1, self.L)
        repeated = lapped.analyse(periodic[:, 0], periodic[:, 1:]).reshape(B, T * self.S, self.D)
        noise = 3**0.5 * uniform_noise(position + jnp.uint32(NOISE_OFFSET), T * self.S, self.D)
        return share * repeated + jnp.sqrt(1 - share**2 + 1e-6) * noise, noise_gain * noise


def interpolate_side(state: dict, lsf: jax.Array, g: jax.Array, distance: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return envelope (B, M) and log gains (B, S) after the last packet in the state.

    The packet with the given envelope and gains is `distance` (B,) packets later.
    """
    S = g.shape[1]
    d, last = distance[:, None].astype(g.dtype), state["gain"][:, 1, -1:]
    before = state["lsf"][:, 1]
    return before + (lsf - before) / (d + 1), last + (g[:, :1] - last) * (jnp.arange(1.0, S + 1) / (d * S + 1))


def bias(n: int) -> nnx.Param:
    """Return a bias of n zeros."""
    return nnx.Param(jnp.zeros(n))


def comfort_noise_share(count: jax.Array) -> jax.Array:
    """Return the share of comfort noise, 0..1, after `count` consecutive lost packets."""
    return ((count - FADE_FROM) / (FADE_TO - FADE_FROM)).clip(0.0, 1.0)


def find_period(history: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the lag (B,) with the largest normalised autocorrelation of histories (B, H), and this correlation."""
    h = smooth(history)
    lags = np.arange(MIN_LAG, MAX_LAG)
    n = 2 * HISTORY  # long enough to avoid circular overlap
    product = jnp.conj(jnp.fft.rfft(h[:, -WINDOW:], n)) * jnp.fft.rfft(h, n)
    at = HISTORY - WINDOW - lags  # start of the earlier window at each lag
    sums = jnp.cumsum(jnp.pad(h**2, ((0, 0), (1, 0))), axis=1)
    earlier, present = sums[:, at + WINDOW] - sums[:, at], sums[:, -1:] - sums[:, -WINDOW - 1 : -WINDOW]
    r = jnp.fft.irfft(product, n)[:, at] * jax.lax.rsqrt(present * earlier + 1e-6)
    best = jnp.argmax(r - LAG_COST * jnp.asarray(lags / MAX_LAG, jnp.float32), axis=1)
    return jnp.asarray(lags)[best], jnp.take_along_axis(r, best[:, None], axis=1)[:, 0].clip(0.0, 1.0)


def repeat_period(history: jax.Array, lag: jax.Array, t: jax.Array, drift: jax.Array) -> jax.Array:
    """Return samples at times t (B, n) of a signal that repeats the last `lag` (B,) samples of histories (B, H).

    The signal begins at t = 0. Its period is lag / (1 + drift); samples between those of the history are interpolated
    linearly.
    """
    first = HISTORY - lag[:, None]
    at = ((1 + drift[:, None]) * t.astype(jnp.float32)) % lag[:, None].astype(jnp.float32)
    before = jnp.floor(at)
    y = [jnp.take_along_axis(history, first + (before.astype(jnp.int32) + i) % lag[:, None], axis=1) for i in (0, 1)]
    return (1 - at + before) * y[0] + (at - before) * y[1]


def find_drift(history: jax.Array, lag: jax.Array, next_excitation: jax.Array, distance: jax.Array) -> jax.Array:
    """Return the drift (B,) with which the repeated period meets the next received packet.

    Parameters
    ----------
    history : array (B, H)
    lag : array (B,)
    next_excitation : array (B, N)
        Excitation of this packet; zeros if it is not known, which gives a drift of zero.
    distance : integer array (B,)
        Packets from the lost one to this packet.
    """
    B, N = next_excitation.shape
    drifts = jnp.asarray(DRIFTS, jnp.float32)
    t = jnp.repeat(N * distance, len(drifts))[:, None] + jnp.arange(ALIGNED)
    each = jnp.repeat(history, len(drifts), axis=0), jnp.repeat(lag, len(drifts)), t, jnp.tile(drifts, B)
    y = repeat_period(*each).reshape(B, -1, ALIGNED)
    y, e = smooth(y), smooth(next_excitation[:, None, :ALIGNED])
    r = (y * e).sum(-1) * jax.lax.rsqrt((y * y).sum(-1) * (e * e).sum(-1) + 1e-6)
    return drifts[jnp.argmax(r - DRIFT_COST * jnp.abs(drifts) / DRIFTS[-1], axis=1)]


def smooth(x: jax.Array) -> jax.Array:
    """Return the moving sum of the last axis: pitch is estimated below 1 kHz."""
    n = x.shape[-1]
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(SMOOTH - 1, 0)])
    return jnp.stack([x[..., i : i + n] for i in range(SMOOTH)]).sum(axis=0)


def track_loss(
    state: dict, lost: jax.Array, side_lost: jax.Array, distance: jax.Array, next_excitation: jax.Array, S: int, L: int
) -> tuple[dict, PacketLoss]:
    """Return the state with new lag, voicing and count, and the `PacketLoss` of one packet.

    Parameters
    ----------
    state : dict
    lost, side_lost : bool arrays (B,)
        As in `PacketLoss`.
    distance : integer array (B,)
        As in `PacketLoss`.
    next_excitation : array (B, S*L)
        Normalised excitation of the packet `distance` packets later; zeros if it is not known.
    S, L : int
    """
    first = lost & (state["count"] == 0)
    lag, voicing = find_period(state["history"])
    lag, voicing = jnp.where(first, lag, state["lag"]), jnp.where(first, voicing, state["voicing"])
    count = jnp.where(lost, state["count"] + 1, 0.0)
    found = find_drift(state["history"], lag, next_excitation, distance)
    drift = jnp.where((distance > 0) & (voicing > VOICED), found, 0.0)
    periodic = repeat_period(state["history"], lag, jnp.arange((S + 1) * L)[None], drift)
    periodic = jnp.where(lost[:, None], periodic, 0.0)
    voicing_here = jnp.where(lost, voicing, 0.0)[:, None]
    periodic = periodic.reshape(-1, 1, S + 1, L)
    loss = PacketLoss(lost[:, None], side_lost[:, None], distance[:, None], count[:, None], voicing_here, periodic)
    return state | {"lag": lag, "voicing": voicing, "count": count}, loss


def update_history(state: dict, loss: PacketLoss, e: jax.Array) -> dict:
    """Return the state with the excitation (B, S*L) of a packet in its history; for a lost packet, the periodic one."""
    periodic = loss.periodic[:, 0].reshape(len(e), -1)[:, : e.shape[1]]
    e = jnp.where(loss.lost, periodic, e)
    return state | {"history": jnp.concatenate([state["history"], e], axis=1)[:, -HISTORY:]}


def simulate_losses(
    state: dict, lost: jax.Array, side_lost: jax.Array, distance: jax.Array, e: jax.Array, S: int, L: int
) -> PacketLoss:
    """Return the `PacketLoss` of many packets at once, for training.

    Parameters
    ----------
    state : dict
    lost, side_lost : bool arrays (B, T)
        As in `PacketLoss`.
    distance : integer array (B, T)
        As in `PacketLoss`.
    e : array (B, T*S*L)
        Normalised excitation of the same packets without losses.
    S, L : int
    """
    B, T = lost.shape

    def packet(carry, inputs):
        lost, side_lost, distance, e, next_excitation = inputs
        carry, loss = track_loss(carry, lost, side_lost, distance, next_excitation, S, L)
        return update_history(carry, loss, e), loss

    names = ("history", "lag", "voicing", "count")
    e = e.reshape(B, T, S * L)
    at = jnp.arange(T) + distance
    next_excitation = jnp.where(at[..., None] < T, jnp.take_along_axis(e, at.clip(0, T - 1)[..., None], axis=1), 0.0)
    inputs = (lost.T, side_lost.T, distance.T, jnp.swapaxes(e, 0, 1), jnp.swapaxes(next_excitation, 0, 1))
    _, loss = jax.lax.scan(packet, {name: state[name] for name in names}, inputs)
    return PacketLoss(*(jnp.swapaxes(v[:, :, 0], 0, 1) for v in loss))
