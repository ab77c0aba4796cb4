"""The codec for music as one differentiable model, from samples to the integers of a packet and back.

Place in the chain: as `lpcnet_cq.speech.model`. `encode` needs no state, because the lines of a packet depend only on
its block and the two neighbouring blocks. `decode` takes a state and returns the next one.

Letters: B batch, T packets, N samples in a block, D lines, b bands, K side integers.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.music import bands
from lpcnet_cq.music.allocation import Allocation
from lpcnet_cq.music.band_layout import OFFSET, PREDICTION_STEPS
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.entropy import EntropyModel
from lpcnet_cq.music.line_decoder import Decoder
from lpcnet_cq.music.line_features import unpack_side
from lpcnet_cq.music.mdct import Blocks
from lpcnet_cq.music.step_exponents import PER_ENERGY, PER_OCTAVE
from lpcnet_cq.nn.noise import uniform_noise
from lpcnet_cq.nn.quantize import latent_steps


class Model(nnx.Module):
    """Hold all trained parts: windows, bit allocation, network over lines, entropy model."""

    def __init__(self, c: MusicConfig, *, rngs: nnx.Rngs):
        self.blocks = Blocks(c)
        self.allocation = Allocation(c)
        self.decoder = Decoder(c, rngs=rngs)
        self.entropy = EntropyModel(c, rngs=rngs)
        self.config = c


def start_decoder(model: Model, B: int) -> dict:
    """Return the decoder's state before the first packet."""
    c = model.config
    return {
        "block": jnp.zeros((2 * B, c.spec.hop)),
        "is_short": jnp.zeros(2 * B),
        "net": model.decoder.start(B, c.n_latents),
        "position": jnp.zeros((), jnp.uint32),
    }


def exponents(model: Model, side: jax.Array) -> jax.Array:
    """Return the exponents of step sizes (..., 2, b) at the middle step index, from side integers (..., K)."""
    is_short, E, _ = unpack_side(jnp, side, model.config.bands)
    return model.allocation(E, is_short)


def lines_of_bands(values: jax.Array, is_short: jax.Array, c: MusicConfig) -> jax.Array:
    """Return for every line, (..., 2, D), the value of its band, from values (..., 2, b) of two channels."""
    return bands.lines_of_bands(values, is_short[..., None], c)


def sizes(model: Model, side: jax.Array, s: jax.Array) -> jax.Array:
    """Return the step sizes of all lines, (..., 2, D), at the middle step index, from exponents (..., 2, b)."""
    c = model.config
    return jnp.exp2(lines_of_bands(s, unpack_side(jnp, side, c.bands)[0], c) / PER_OCTAVE)


def encode(model: Model, x: jax.Array, is_short: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return side integers (B, T, K) stored as floats, and lines (B, T, 2, D) before division by their step sizes.

    Parameters
    ----------
    model : Model
    x : array (B, 2, T+2, N)
        Blocks of the left and the right channel; the first and the last block are not coded.
    is_short : array (B, T+2)
        1 where short blocks are used, 0 elsewhere.
    """
    c, (B, _, blocks, N) = model.config, x.shape
    both = jnp.stack([x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]], axis=1) / 2
    X = model.blocks.analyse(both.reshape(2 * B, blocks, N), jnp.repeat(is_short, 2, axis=0))
    M, S = jnp.moveaxis(X.reshape(B, 2, blocks - 2, -1), 1, 0)
    inner = is_short[:, 1:-1]
    A = bands.prediction_coefficients(M, S, inner, c)  # in units of 1/8
    S = S - bands.lines_of_bands(A / PREDICTION_STEPS, inner, c) * M
    E = [bands.energies(v, inner, c) for v in (M, S)]
    side = jax.lax.stop_gradient(jnp.concatenate([inner[..., None], E[0], A, E[1]], axis=-1))
    return side, jnp.stack([M, S], axis=2)


def decode(model: Model, state: dict, side, s, n, step) -> tuple[dict, jax.Array]:
    """Decode the integers of packets to samples, delayed by one block.

    Parameters
    ----------
    model : Model
    state : dict
    side : array (B, T, K)
    s : array (B, T, 2, b)
        Exponents of the step sizes, integers stored as floats. In a stream they come from the integer model, so that
        they are the same on every machine.
    n : array (B, T, 2, D)
    step : integer array (B, T)
        Index of the step size.

    Returns
    -------
    state : dict
    y : array (B, 2, T*N)
        Left and right channel.
    """
    c, (B, T, _, D) = model.config, n.shape
    is_short, E, A = unpack_side(jnp, side, c.bands)
    q = latent_steps(c.n_steps, c.step_ratio)[step][..., None, None]
    ratio = lines_of_bands((PER_ENERGY * (E - OFFSET) - s) / PER_OCTAVE, is_short, c) - jnp.log2(q)
    noise = uniform_noise(state["position"], T, 2 * D).reshape(T, 2, D)
    net, lines = model.decoder(state["net"], n, ratio, is_short, noise)
    X = lines * q * sizes(model, side, s)
    S = X[:, :, 1] + bands.lines_of_bands(A / PREDICTION_STEPS, is_short, c) * X[:, :, 0]
    both = jnp.stack([X[:, :, 0], S], axis=1).reshape(2 * B, T, D)
    block, y = model.blocks.synthesise((state["block"], state["is_short"]), both, jnp.repeat(is_short, 2, axis=0))
    y = y.reshape(B, 2, -1)
    after = {"block": block[0], "is_short": block[1], "net": net, "position": state["position"] + jnp.uint32(T)}
    return after, jnp.stack([y[:, 0] + y[:, 1], y[:, 0] - y[:, 1]], axis=1)
