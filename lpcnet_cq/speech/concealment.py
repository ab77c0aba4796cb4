"""Concealment of lost packets: envelope, levels and pitch go on, then fade to the noise before.

Place in the chain: in the decoder, in the place of what a lost packet would have held. Envelope and gains come from a
small network of the two packets before, and after about 100 ms from the quietest packets of the last seconds. The
latents are those of an excitation that repeats its last pitch period, mixed with noise; how much of each frequency is
periodic a second network says. The decoder's own networks follow, told of the loss. Delay: none.

Letters: B batch, T packets, S subframes per packet, L samples per subframe, M order, D latents, H samples of history.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.nn.noise import uniform_noise
from lpcnet_cq.speech.allocation import START_LEVEL
from lpcnet_cq.speech.config import SpeechConfig

HIDDEN = 48
SHORTEST, LONGEST, WINDOW = 32, 288, 320  # samples: lags, and what is compared
HISTORY = WINDOW + LONGEST
SMOOTH = 8  # samples of a moving average: pitch is looked for below 1 kHz
LAG_COST = 0.05  # of the longest lag, in correlation: multiples of the period lose
FADE_FROM, FADE_TO = 4, 8  # lost packets: speech goes on up to the first, comfort noise from the second on
RISE = 0.01  # neper per packet by which the floor is forgotten
CLOSE = 0.2  # neper: packets so near to the floor tell its envelope
NOISE_OFFSET = 1 << 30  # from the positions of the decoder's other noise


class Loss(NamedTuple):
    """Say which packets are lost, and how the excitation goes on there.

    Attributes
    ----------
    lost : bool array (B, T)
        Whether the latents of a packet are lost.
    side_lost : bool array (B, T)
        Whether its envelope and gains are lost, too: a later packet may repeat them.
    count : array (B, T)
        Lost packets up to this one in a row, 0 where it is there.
    voicing : array (B, T)
        Correlation of the last pitch period with the one before.
    base : array (B, T, S + 1, L)
        Periodic excitation from the subframe before the packet on.
    """

    lost: jax.Array
    side_lost: jax.Array
    count: jax.Array
    voicing: jax.Array
    base: jax.Array


def no_loss(c: SpeechConfig, B: int, T: int) -> Loss:
    """Return the `Loss` of packets that are all there."""
    zero = jnp.zeros((B, T))
    return Loss(zero > 0, zero > 0, zero, zero, jnp.zeros((B, T, c.spec.n_subframes + 1, c.spec.subframe)))


class Concealment(nnx.Module):
    """Hold the two networks."""

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
            "gain": jnp.full((B, 2, self.S), START_LEVEL),
            "floor": jnp.full((B, 1), START_LEVEL),
            "floor_lsf": lsf,
            "history": jnp.zeros((B, HISTORY)),
            "lag": jnp.full((B,), LONGEST),
            "voicing": jnp.zeros((B,)),
            "count": jnp.zeros((B,)),
            "step": jnp.full((B,), step, jnp.int32),
        }

    def sides(self, state: dict, lsf: jax.Array, g: jax.Array, loss: Loss, mean: jax.Array):
        """Replace lost envelopes (B, T, M) and log gains (B, T, S) by what goes on.

        Returns
        -------
        state : dict
        lsf, g : arrays
        """

        def packet(carry, given):
            lsf, g, lost, count, voicing = given
            guess_lsf, guess_g = self.next_side(carry, count, voicing, mean)
            lsf = jnp.where(lost[:, None], guess_lsf, lsf)
            g = jnp.where(lost[:, None], guess_g, g)
            level = jnp.mean(g, axis=1, keepdims=True)
            floor = jnp.minimum(carry["floor"] + RISE, level)
            there = ~lost[:, None]
            carry = carry | {
                "lsf": jnp.stack([carry["lsf"][:, 1], lsf], axis=1),
                "gain": jnp.stack([carry["gain"][:, 1], g], axis=1),
                "floor": jnp.where(there, floor, carry["floor"]),
                "floor_lsf": jnp.where(there & (level < floor + CLOSE), lsf, carry["floor_lsf"]),
            }
            return carry, (lsf, g)

        names = ("lsf", "gain", "floor", "floor_lsf")
        given = (lsf, g, loss.side_lost, loss.count, loss.voicing)
        carry = {name: state[name] for name in names}
        carry, (lsf, g) = jax.lax.scan(packet, carry, tuple(jnp.swapaxes(v, 0, 1) for v in given))
        return state | carry, jnp.swapaxes(lsf, 0, 1), jnp.swapaxes(g, 0, 1)

    def next_side(self, state: dict, count: jax.Array, voicing: jax.Array, mean: jax.Array):
        """Return envelope (B, M) and log gains (B, S) of a packet behind two others."""
        B = len(count)
        told = jnp.stack([count / 4, jnp.where(count >= FADE_FROM, 1.0, 0.0), voicing], axis=1)
        u = [5 * (state["lsf"] - mean).reshape(B, -1), 0.3 * (state["gain"] + 6).reshape(B, -1), told]
        out = jax.nn.silu(jnp.concatenate(u, axis=1) @ self.w1[...] + self.b1[...]) @ self.w2[...] + self.b2[...]
        lsf = state["lsf"][:, 1] + 0.1 * out[:, : self.M]
        g = state["gain"][:, 1, -1:] + out[:, self.M :]
        w = faded(count)[:, None]
        quiet = jnp.minimum(g, state["floor"])
        return lsf + w * (state["floor_lsf"] - lsf), g + w * (quiet - g)

    def latents(self, lapped, loss: Loss, cond: jax.Array, position: jax.Array):
        """Return unscaled latents (B, T*S, D) for lost packets, and the deviations of noise for latents that are 0.

        Parameters
        ----------
        lapped : Lapped
        loss : Loss
        cond : array (B, T*S, C)
            Conditions of the decoder.
        position : integer scalar
            Of the first subframe.
        """
        B, T = loss.lost.shape
        voicing = jnp.repeat(loss.voicing, self.S, axis=1)
        told = jnp.stack([jnp.repeat(loss.count / 4, self.S, axis=1), voicing], axis=-1)
        h = jax.nn.silu(jnp.concatenate([cond, told], axis=-1) @ self.v1[...] + self.c1[...])
        periodic, fill = jnp.split(h @ self.v2[...] + self.c2[...], 2, axis=-1)
        start = 6 * voicing[..., None] - 2 - 3 * jnp.arange(self.D) / self.D
        share = jax.nn.sigmoid(start + periodic) * (1 - jnp.repeat(faded(loss.count), self.S, axis=1))[..., None]
        base = loss.base.reshape(B * T, self.S + 1, self.L)
        repeated = lapped.analyse(base[:, 0], base[:, 1:]).reshape(B, T * self.S, self.D)
        noise = 3**0.5 * uniform_noise(position + jnp.uint32(NOISE_OFFSET), T * self.S, self.D)
        return share * repeated + jnp.sqrt(1 - share**2 + 1e-6) * noise, fill * noise


def bias(n: int) -> nnx.Param:
    """Make a bias of n zeros."""
    return nnx.Param(jnp.zeros(n))


def faded(count: jax.Array) -> jax.Array:
    """Return how far speech has become comfort noise, 0..1, after so many lost packets."""
    return ((count - FADE_FROM) / (FADE_TO - FADE_FROM)).clip(0.0, 1.0)


def find_period(history: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the lag (B,) at which histories (B, H) resemble themselves most, and the correlation there."""
    h = jnp.pad(history, ((0, 0), (SMOOTH - 1, 0)))
    h = jnp.stack([h[:, i : i + HISTORY] for i in range(SMOOTH)]).sum(axis=0)
    lags = np.arange(SHORTEST, LONGEST)
    n = 2 * HISTORY  # nothing wraps around
    product = jnp.conj(jnp.fft.rfft(h[:, -WINDOW:], n)) * jnp.fft.rfft(h, n)
    at = HISTORY - WINDOW - lags  # where the window begins in the past
    sums = jnp.cumsum(jnp.pad(h**2, ((0, 0), (1, 0))), axis=1)
    then, now = sums[:, at + WINDOW] - sums[:, at], sums[:, -1:] - sums[:, -WINDOW - 1 : -WINDOW]
    r = jnp.fft.irfft(product, n)[:, at] * jax.lax.rsqrt(now * then + 1e-6)
    best = jnp.argmax(r - LAG_COST * jnp.asarray(lags / LONGEST, jnp.float32), axis=1)
    return jnp.asarray(lags)[best], jnp.take_along_axis(r, best[:, None], axis=1)[:, 0].clip(0.0, 1.0)


def go_on(history: jax.Array, lag: jax.Array, n: int) -> jax.Array:
    """Return n samples (B, n) that repeat the last `lag` (B,) samples of histories (B, H)."""
    at = HISTORY - lag[:, None] + jnp.arange(n)[None] % lag[:, None]
    return jnp.take_along_axis(history, at, axis=1)


def listen(state: dict, lost: jax.Array, side_lost: jax.Array, S: int, L: int) -> tuple[dict, Loss]:
    """Return the next state but for the history, and the `Loss` of one packet (B, 1), from what came before."""
    first = lost & (state["count"] == 0)
    lag, voicing = find_period(state["history"])
    lag, voicing = jnp.where(first, lag, state["lag"]), jnp.where(first, voicing, state["voicing"])
    count = jnp.where(lost, state["count"] + 1, 0.0)
    base = jnp.where(lost[:, None], go_on(state["history"], lag, (S + 1) * L), 0.0)
    voiced = jnp.where(lost, voicing, 0.0)[:, None]
    loss = Loss(lost[:, None], side_lost[:, None], count[:, None], voiced, base.reshape(-1, 1, S + 1, L))
    return state | {"lag": lag, "voicing": voicing, "count": count}, loss


def remember(state: dict, loss: Loss, e: jax.Array) -> dict:
    """Return the state with a packet's excitation (B, S*L) in its history; of a lost one with what was repeated."""
    repeated = loss.base[:, 0].reshape(len(e), -1)[:, : e.shape[1]]
    e = jnp.where(loss.lost, repeated, e)
    return state | {"history": jnp.concatenate([state["history"], e], axis=1)[:, -HISTORY:]}


def losses(state: dict, lost: jax.Array, side_lost: jax.Array, e: jax.Array, S: int, L: int) -> Loss:
    """Return the `Loss` of many packets at once, for training.

    Parameters
    ----------
    state : dict
    lost, side_lost : bool array (B, T)
        As in `Loss`.
    e : array (B, T*S*L)
        Normalised excitation of the same packets without losses.
    """
    B, T = lost.shape

    def packet(carry, given):
        carry, loss = listen(carry, given[0], given[1], S, L)
        return remember(carry, loss, given[2]), loss

    names = ("history", "lag", "voicing", "count")
    given = (lost.T, side_lost.T, jnp.swapaxes(e.reshape(B, T, S * L), 0, 1))
    _, loss = jax.lax.scan(packet, {name: state[name] for name in names}, given)
    return Loss(*(jnp.swapaxes(v[:, :, 0], 0, 1) for v in loss))
