"""Objective of training the codec for speech: distortion of synthesised speech plus lambda times the rate in bits.

Letters: B batch, T packets, S subframes, N samples, R rate in bits per second.
"""

import jax
import jax.numpy as jnp

from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.nn.quantize import latent_steps, soft_to_hard
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.envelope import interpolate_lsf, lsf_to_lpc
from lpcnet_cq.speech.model import Model, decode, encode_latents, encode_side, start_decoder, start_encoder
from lpcnet_cq.training.config import SpeechLoss
from lpcnet_cq.training.losses import mel_loss, spectrum_loss, weighted_nsr
from lpcnet_cq.training.pesq_loss import pesq_loss
from lpcnet_cq.training.psychoacoustic_loss import psychoacoustic_terms, weighted_terms

PESQ_OFFSET = 0.01  # added to the PESQ-style loss, whose logarithm then has similar gradients at 9 and at 24 kbps
MULTIPLIER_POWER = 0.75  # exponent of the step size in the Lagrange multiplier, as measured: -dL/dR of a trained model
# is 0.22 per kbps at 9 kbps and 0.09 at 24


def hard(n: jax.Array) -> jax.Array:
    """Round a soft integer with a straight-through gradient, so that rates and contexts are those of the stream."""
    return soft_to_hard(n, 1.0)


def packet_bits(model: Model, side: jax.Array, latents: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the ideal code lengths of side integers (B, T, K) and latents (B, T*S, D), from the initial state."""
    start = start_encoder(model, side.shape[0])
    side_bits = logistic_bits(side, *model.entropy.side(start["side"], side))
    model_out = model.entropy.latent(start["side"][:, 1:], side, step, start["latents"], latents)
    return side_bits, logistic_bits(latents, *model_out)


def quantise(model: Model, batch: dict, step: jax.Array, hardness: jax.Array) -> tuple[dict, jax.Array]:
    """Return side information and latents of a batch, quantised with `hardness`; parameters as for `objective`."""
    c = model.config
    B, N = batch["x"].shape[0], batch["x"].shape[1] - c.spec.look_ahead
    state, side = encode_side(model, start_encoder(model, B), batch["x"][:, :N], batch["lsf"][:, 1:], hardness)
    _, z = encode_latents(model, state, side, batch["x"][:, c.spec.look_ahead :])
    size = jnp.repeat(latent_steps(c.n_steps, c.step_ratio)[step], c.spec.n_subframes, axis=1)[..., None]
    return side, soft_to_hard(z / size, hardness)


def rates(model: Model, side: dict, n: jax.Array, step: jax.Array) -> dict[str, jax.Array]:
    """Return the ideal rates of every sequence, (B,) each, in bit/s: LSFs, gains, latents, total.

    In `weighted_bps`, the bits of every packet have a weight that depends on its step size and is 1 at the middle one.
    """
    c = model.config
    M, spec = c.order, c.spec
    seconds = step.shape[1] * spec.hop / spec.sample_rate_hz
    integers = jnp.concatenate([hard(side["lsf"]), hard(side["gain"])], axis=-1)
    side_bits, latent_bits = packet_bits(model, integers, hard(n), step)
    bps = {
        "lsf_bps": side_bits[..., :M].sum((1, 2)) / seconds,
        "gain_bps": side_bits[..., M:].sum((1, 2)) / seconds,
        "latent_bps": latent_bits.sum((1, 2)) / seconds,
    }
    packets = side_bits.sum(-1) + latent_bits.reshape(*step.shape, -1).sum(-1)
    weight = latent_steps(c.n_steps, c.step_ratio)[step] ** MULTIPLIER_POWER
    return bps | {"bps": packets.sum(1) / seconds, "weighted_bps": (weight * packets).sum(1) / seconds}


def objective(model: Model, loss: SpeechLoss, batch: dict, step: jax.Array, hardness, lam, progress):
    """Return L = mel + spectrum + NSR + log PESQ-style loss + psychoacoustic terms + lambda R, and its parts.

    Parameters
    ----------
    model : Model
    loss : SpeechLoss
        Weights of the terms.
    batch : dict
        `x` (B, N + look_ahead) speech; `lsf` (B, T+1, M) unquantised LSFs, the first of which belong to the packet
        before; `mask_db` (B, F, K) masking thresholds of `x`, if psychoacoustic terms are used.
    step : integer array (B, T)
        Indices of latent step sizes.
    hardness : scalar
        0..1, see `quantize.soft_to_hard`.
    lam : scalar
        Lagrange multiplier, loss per kbps.
    progress : scalar
        Fraction of the run, 0..1.
    """
    c = model.config
    fs = c.spec.sample_rate_hz
    B, T = step.shape
    side, n = quantise(model, batch, step, hardness)
    _, y = decode(model, start_decoder(model, B), side["lsf"], side["gain"], n, step)
    y, target = y[:, c.decoder_delay :], batch["x"][:, : T * c.spec.hop - c.decoder_delay]

    mel, spectrum = mel_loss(target, y, fs), spectrum_loss(target, y)
    nsr = lpc_weighted_nsr(c, target, y, batch["lsf"])
    pesq = pesq_loss(target, y, fs)
    parts = {"mel": mel, "spectrum": spectrum, "nsr_db": 10 * nsr, "pesq_loss": pesq.mean()}
    parts |= {k: v.mean() for k, v in rates(model, side, n, step).items()}
    distortion = loss.mel * mel + loss.spectrum * spectrum + loss.nsr * nsr
    distortion += jnp.where(progress >= loss.pesq_from, loss.pesq, 0.0) * jnp.log(pesq + PESQ_OFFSET).mean()
    if "mask_db" in batch:
        terms = psychoacoustic_terms(target, y, batch["mask_db"], fs)
        distortion += weighted_terms(terms, loss)
        parts |= terms
    total = distortion + lam * parts["weighted_bps"] / 1000
    return total, parts | {"loss": total}


def lpc_weighted_nsr(c: SpeechConfig, x: jax.Array, y: jax.Array, lsf: jax.Array) -> jax.Array:
    """Return the noise-to-signal ratio of whole packets of speech, weighted by filters of the unquantised LSFs."""
    a = lsf_to_lpc(interpolate_lsf(lsf[:, 0], lsf[:, 1:], c.spec))[:, :-1]
    whole = x.shape[1] // c.spec.hop * c.spec.hop
    return weighted_nsr(x[:, :whole], y[:, :whole], a[:, : whole // c.spec.subframe], c.spec.hop)
