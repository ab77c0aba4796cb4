"""Formant postfilter: deepens the valleys between formants on channels that lose packets.

Place in the chain: after the long-term postfilter, in live decoders. The filter is A(z/g1) / A(z/g2), g1 < g2, of the
decoded envelope; A(z) is that of pre-emphasised speech, so that the filter has little tilt. Its impulse response decays
as g2^n, and its first `TAPS` values are used. The output has the energy of the input over the last `BLOCKS` subframes.

Noise between formants is heard most where packets are lost: judges that hear the decoded speech alone rate the filter
higher. Without losses it also takes away details that judges miss who compare with the original. Therefore its strength
follows the mean share of lost packets, over about 200 packets: none up to 0.5 %, all from 1 % on. And the finer the
step size, the less noise there is, and the weaker is the filter: g1 approaches g2. Delay: none.

Letters: B batch, S subframes of one packet, L samples per subframe, M order, K taps.

References
----------
J.-H. Chen and A. Gersho, "Adaptive postfiltering for quality enhancement of coded speech", IEEE TSAP 3 (1995).
"""

import jax
import jax.numpy as jnp

from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.filters import residual
from lpcnet_cq.speech.formant_tables import BLOCKS, DFT, FLOOR, GAMMAS, LOSSES, SPREAD, TAPS, formant_tables


def start(B: int) -> dict:
    """Return the state before the first packet."""
    return {"x": jnp.zeros((B, TAPS - 1)), "energy": jnp.zeros((B, 2, BLOCKS)), "losses": jnp.zeros(B)}


def formant_postfilter(c: SpeechConfig, state: dict, x: jax.Array, a: jax.Array, q: jax.Array, lost: jax.Array):
    """Return the next state and the filtered speech of a packet, (B, S*L).

    Parameters
    ----------
    c : SpeechConfig
    state : dict
    x : array (B, S*L)
        Decoded speech.
    a : array (B, S, M+2)
        Filters A(z) (1 - mu z^-1) that synthesised it.
    q : integer array (B,)
        Index of the step size.
    lost : bool array (B,)
        Whether the packet is lost.
    """
    losses = state["losses"] + SPREAD * (jnp.where(lost, 1.0, 0.0) - state["losses"])
    strength = jnp.asarray(formant_tables(c).strength)[q] * strength_at(losses)
    past, y = residual(state["x"], x, impulse_response(c, a, strength))
    energy = jnp.concatenate([state["energy"], energies(x, y, c.spec.subframe)], axis=-1)
    n = energy.shape[-1] - BLOCKS + 1
    sums = jnp.stack([energy[..., i : i + n] for i in range(BLOCKS)]).sum(axis=0) + FLOOR
    gain = jnp.sqrt(sums[:, 0] / sums[:, 1])[..., None]  # of the subframe before, and of each one
    share = jnp.arange(1, c.spec.subframe + 1) / c.spec.subframe
    gain = gain[:, :-1] + (gain[:, 1:] - gain[:, :-1]) * share
    return {"x": past, "energy": energy[..., -BLOCKS:], "losses": losses}, y * gain.reshape(y.shape)


def strength_at(losses: jax.Array) -> jax.Array:
    """Return the strength of the filter, 0 to 1, at a mean share of lost packets."""
    return ((losses - LOSSES[0]) / (LOSSES[1] - LOSSES[0])).clip(0.0, 1.0)


def impulse_response(c: SpeechConfig, a: jax.Array, strength: jax.Array) -> jax.Array:
    """Return the impulse response of each subframe, (B, S, K), at strengths (B,) of 0 to 1."""
    plain, denominator, _ = formant_tables(c)
    g1 = GAMMAS[1] - strength * (GAMMAS[1] - GAMMAS[0])
    numerator = g1[:, None, None] ** jnp.arange(len(denominator), dtype=g1.dtype)
    N, D = (jnp.fft.rfft(a @ plain * weights, DFT) for weights in (numerator, denominator))
    return jnp.fft.irfft(N / D, DFT)[..., :TAPS]


def energies(x: jax.Array, y: jax.Array, L: int) -> jax.Array:
    """Return the energies of two signals (B, S*L) in each subframe, (B, 2, S)."""
    return jnp.sum(jnp.stack([x, y], axis=1).reshape(len(x), 2, -1, L) ** 2, axis=-1)


def skip(state: dict, x: jax.Array, L: int) -> dict:
    """Return the state after speech (B, S*L) that is not filtered."""
    energy = jnp.concatenate([state["energy"], energies(x, x, L)], axis=-1)
    return state | {"x": jnp.concatenate([state["x"], x], axis=1)[:, 1 - TAPS :], "energy": energy[..., -BLOCKS:]}
