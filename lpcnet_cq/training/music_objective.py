"""Objective of training the codec for music: distortion of decoded music plus lambda times the rate in bits.

Letters: B batch, T packets, N samples in a block, D lines, b bands.
"""

from functools import partial

import jax
import jax.numpy as jnp

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.entropy import log8
from lpcnet_cq.music.line_features import features, line_context, unpack_side
from lpcnet_cq.music.model import Model, decode, encode, exponents, lines_of_bands, sizes, start_decoder
from lpcnet_cq.music.step_exponents import step_exponents
from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.nn.quantize import latent_steps, soft_to_hard
from lpcnet_cq.training.config import MusicLoss
from lpcnet_cq.training.losses import mel_loss, segment_nsr
from lpcnet_cq.training.psychoacoustic_loss import psychoacoustic_terms, weighted_terms

MEL_WINDOWS = (256, 2048)  # samples, of the log-mel distance


def quantise(model: Model, batch: dict, step: jax.Array, hardness: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return side integers and lines of a batch; `hardness` of `objective` applies to the lines."""
    c = model.config
    B, _, n_samples = batch["x"].shape
    x = batch["x"].reshape(B, 2, n_samples // c.spec.hop, c.spec.hop)
    side, X = encode(model, x, batch["is_short"])
    size = sizes(model, side, exponents(model, side)) * latent_steps(c.n_steps, c.step_ratio)[step][..., None, None]
    return side, soft_to_hard(X / size, hardness)


def earlier(v: jax.Array, packets: int) -> jax.Array:
    """Return arrays (B, T, ...) delayed by a number of packets, with zeros at the beginning."""
    return jnp.pad(v, [(0, 0), (packets, 0)] + [(0, 0)] * (v.ndim - 2))[:, : v.shape[1]]


def line_bits(model: Model, side: jax.Array, n: jax.Array, step: jax.Array) -> jax.Array:
    """Return the ideal code lengths of lines n (B, T, 2, D), integers stored as floats, from the initial state."""
    c = model.config
    sides = [earlier(side, i) for i in range(3)]
    is_short, E, _ = unpack_side(jnp, side, c.bands)
    spread = [partial(lines_of_bands, is_short=unpack_side(jnp, v, c.bands)[0], c=c) for v in sides]
    q = jnp.asarray(step_exponents(c), jnp.float32)[step]
    context = line_context(jnp, is_short, E, [exponents(model, v) for v in sides], q, spread)
    own, older = earlier(n, 1), earlier(n, 2)
    other = jnp.stack([own[:, :, 1], n[:, :, 0]], axis=2)
    f = features(jnp, log8, own, older, other, context)
    log_scale = model.entropy.latent(context.kind, [jax.lax.stop_gradient(v) for v in f], n)
    return logistic_bits(n, jnp.zeros_like(n), log_scale)


def rates(model: Model, side: jax.Array, n: jax.Array, step: jax.Array) -> dict[str, jax.Array]:
    """Return the ideal rates of every sequence, (B,) each, in bit/s: energies, prediction, lines, total."""
    b, spec = model.config.bands, model.config.spec
    seconds = step.shape[1] * spec.hop / spec.sample_rate_hz
    before = jnp.zeros((side.shape[0], 2, side.shape[2]))
    side_bits = logistic_bits(side, *model.entropy.side(before, side))
    prediction_bits = side_bits[..., 1 + b : 1 + 2 * b].sum((1, 2))
    lines = line_bits(model, side, soft_to_hard(n, 1.0), step).sum((1, 2, 3))
    bits = {"energy": side_bits.sum((1, 2)) - prediction_bits, "prediction": prediction_bits, "latent": lines}
    bps = {f"{k}_bps": v / seconds for k, v in bits.items()}
    return bps | {"bps": bps["energy_bps"] + bps["prediction_bps"] + bps["latent_bps"]}


def objective(model: Model, loss: MusicLoss, batch: dict, step: jax.Array, hardness, lam, progress):
    """Return L = mel + NSR + psychoacoustic terms + lambda R, each times its weight, and its parts.

    Parameters
    ----------
    model : Model
    loss : MusicLoss
        Weights of the terms.
    batch : dict
        From `music_data.MusicBatches`: `x` (B, 2, (T+2) N) left and right channel, `is_short` (B, T+2), `mask_db`
        (B, 2, F, K) of the samples that are compared.
    step : integer array (B, T)
        Indices of step sizes.
    hardness : scalar
        0..1, see `quantize.soft_to_hard`.
    lam : scalar
        Lagrange multiplier, loss per kbps.
    progress : scalar
        Fraction of the run, 0..1; not used, because all terms are used from the start.
    """
    c, fs = model.config, model.config.spec.sample_rate_hz
    B, T = step.shape
    side, n = quantise(model, batch, step, hardness)
    _, y = decode(model, start_decoder(model, B), side, exponents(model, side), n, step)
    x, y = (v[..., compared(c, T)].reshape(2 * B, -1) for v in (batch["x"], y))
    mel, nsr = mel_loss(x, y, fs, MEL_WINDOWS), segment_nsr(x, y - x, c.spec.hop)
    terms = psychoacoustic_terms(x, y, batch["mask_db"].reshape(2 * B, *batch["mask_db"].shape[2:]), fs)
    means = {"mel": mel, "nsr_db": 10 * nsr} | terms | {k: v.mean() for k, v in rates(model, side, n, step).items()}
    total = loss.mel * mel + loss.nsr * nsr + weighted_terms(terms, loss) + lam * means["bps"] / 1000
    return total, means | {"loss": total}


def compared(c: MusicConfig, T: int) -> slice:
    """Return the range of samples that are compared: packets 1 to T - 2.

    The range applies to the T + 2 blocks of a crop and to the delayed output of T packets. The output of the first
    packet is incomplete without the packet before, and the output of the last packet without the packet after.
    """
    return slice(2 * c.spec.hop, T * c.spec.hop)
