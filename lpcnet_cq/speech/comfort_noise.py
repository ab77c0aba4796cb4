"""Comfort noise: white noise through the envelope and gains of a silence descriptor, for packets that were not sent.

Place in the chain: in the decoder, in place of `model.decode`. The networks do not run, so that the level is exactly
that of the gains. With zero latents instead, the networks give 3 to 9 dB less for noise of -50 dB of full scale.
Delay: none.

Letters: B batch, S subframes of the packet, L samples per subframe, M order.
"""

import jax
import jax.numpy as jnp

from lpcnet_cq.nn.noise import uniform_noise
from lpcnet_cq.speech.constants import HISTORY, LOG_GAINS
from lpcnet_cq.speech.formant_postfilter import skip
from lpcnet_cq.speech.model import Model, decode_envelope, synthesise_speech
from lpcnet_cq.speech.residual_coder import conditions


def comfort_noise(model: Model, state: dict, n_lsf: jax.Array, n_gain: jax.Array) -> tuple[dict, jax.Array]:
    """Return the decoder's next state and comfort noise of one packet.

    Parameters
    ----------
    model : Model
    state : dict
        Of `model.decode`. After the noise, packets continue with the envelope, level and excitation of the noise;
        concealment of lost packets fades to it.
    n_lsf : array (B, 1, M)
        Integers.
    n_gain : array (B, 1, S)
        Integers.

    Returns
    -------
    state : dict
    y : array (B, S*L)
    """
    c = model.config
    S, L = c.spec.n_subframes, c.spec.subframe
    B, F = len(n_lsf), L // c.step
    lsf, g = model.lsf.synthesise(n_lsf), model.gain.synthesise(n_gain)[:, 0].clip(*LOG_GAINS)
    lsf_hat, sub, a, _ = decode_envelope(model, state["lsf"], lsf)
    allocation, _ = model.allocation(state["allocation"], conditions(sub, model.lsf.mean[...], g, state["gain"]), g)
    noise = uniform_noise(state["position"], (S + 1) * F, c.step)
    noise = jnp.broadcast_to(3**0.5 * noise.reshape(1, S + 1, L), (B, S + 1, L))  # one subframe more than is heard
    gains = jnp.concatenate([state["gain"], g], axis=1)
    e = noise[:, :S].reshape(B, -1) * jnp.repeat(jnp.exp(gains[:, 1:-1]), L, axis=1)
    filter_state, y = synthesise_speech(model, state, e, a)
    past = state["postfilter"]["y"]
    after = filter_state | {
        "lsf": lsf_hat[:, -1],
        "gain": gains[:, -2:],
        "allocation": allocation,
        "lapped": model.lapped.analyse(noise[:, S - 1], noise[:, S:])[:, 0],
        "postfilter": state["postfilter"] | {"y": jnp.concatenate([past, y], axis=1)[:, -past.shape[1] :]},
        "position": state["position"] + jnp.uint32(S * F),
    }
    if c.concealment:
        after["formant"] = skip(state["formant"], y, L)
        after["concealment"] = as_background(state["concealment"], lsf[:, 0], g, noise[:, :S].reshape(B, -1))
    return state | after, y


def as_background(state: dict, lsf: jax.Array, g: jax.Array, e: jax.Array) -> dict:
    """Return the state of the concealment after a packet that is background: it is the noise floor itself.

    Parameters
    ----------
    state : dict
    lsf : array (B, M)
    g : array (B, S)
        Log gains.
    e : array (B, S*L)
        Normalised excitation.
    """
    return state | {
        "lsf": jnp.stack([state["lsf"][:, 1], lsf], axis=1),
        "gain": jnp.stack([state["gain"][:, 1], g], axis=1),
        "floor": jnp.mean(g, axis=1, keepdims=True),
        "floor_lsf": lsf,
        "history": jnp.concatenate([state["history"], e], axis=1)[:, -HISTORY:],
        "count": jnp.zeros_like(state["count"]),
    }
