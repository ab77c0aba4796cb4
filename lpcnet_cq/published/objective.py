"""Objective of training a published system: distortion, penalty on soft assignments, and tau times the rate.

Place in the chain: training only. Speech is compared with synthesised speech, so that the gradient reaches the LSF
codebook through analysis and synthesis filters; with `loss_on="residual"`, residuals are compared, as in the released
code.

Letters: B batch, T frames, N = T*hop samples.
"""

import jax
import jax.numpy as jnp
from jax import lax

from lpcnet_cq.published.config import Recipe
from lpcnet_cq.published.frames import fade, overlapping_frames
from lpcnet_cq.published.losses import mel_loss, time_loss
from lpcnet_cq.published.model import (
    Model,
    analyse,
    cascade,
    filters_of,
    start_decoder,
    start_encoder,
    synthesise,
)
from lpcnet_cq.published.packet import CODE, LSF
from lpcnet_cq.published.quantiser import Relaxation, frame_bits, penalty, quantise
from lpcnet_cq.training.schedule import Phase


def compared_frames(r: Recipe, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return faded frames (B, T-1, W) of speech and of synthesised speech, both delayed by one overlap."""
    spec = r.system.spec
    V = spec.look_ahead
    late = jnp.pad(x, ((0, 0), (V, 0)))[:, : x.shape[1]]
    end = V + (x.shape[1] // spec.hop - 1) * spec.hop
    pairs = [overlapping_frames(v[:, :V], v[:, V:end], spec)[1] * fade(spec) for v in (late, y)]
    return pairs[0], pairs[1]


def rate_parts(r: Recipe, phase: Phase, log_p: dict, tables: dict):
    """Return quantisation penalty and soft bits of the trained parts, hard rate of each part, and relative frequencies.

    Penalty and soft bits are per code sample of a module: an LSF symbol has the same weight as a code symbol. The
    relative frequencies of hard symbols have the shapes of `tables`; those of unused modules are taken from `tables`.
    """
    c, shares = r.system, dict(tables)
    q = bits = jnp.float32(0)
    rates = {}
    for name, p in log_p.items():
        soft, hard, share = frame_bits(p, tables[LSF] if name == LSF else tables[CODE][name])
        shares |= {LSF: share} if name == LSF else {CODE: shares[CODE].at[name].set(share)}
        if name in phase.trained:
            q += penalty(p) * (p.shape[2] / c.n_code)
            bits += soft / c.n_code
        rates[name] = hard * c.frames_per_second
    return q, bits, rates, shares


def objective(model: Model, r: Recipe, phase: Phase, batch: dict, relaxation: Relaxation, tau: jax.Array, tables: dict):
    """Return the loss, and a pair: its parts, and the relative frequencies of all symbols.

    Parameters
    ----------
    model : Model
    r : Recipe
    phase : Phase
        Parts that it does not train are hard and have no gradient.
    batch : dict
        From `front.prepare`: `x` (B, N), `lsf` (B, T, M).
    relaxation : Relaxation
        While it is not on, the loss does not contain penalty and rate.
    tau : scalar
        Lagrange multiplier per bit of a code sample.
    tables : dict
        Relative frequencies of the symbols, from which bits are computed, in the shapes of `packet.frequency_tables`.
    """
    c, x, log_p, a = r.system, batch["x"], {}, None
    B = x.shape[0]
    if c.n_lsf:
        lsf, log_p[LSF] = quantise(model.lsf, batch["lsf"], relaxation if LSF in phase.trained else None)
        a = filters_of(c, lsf)
    if r.loss_on == "residual":
        a = lax.stop_gradient(a)
    _, frames = analyse(c, start_encoder(c, B), x, a)
    decoded, coded = cascade(model, frames, phase.n_modules, phase.trained, relaxation)
    log_p |= {i: code.log_p for i, code in enumerate(coded)}
    _, y = synthesise(c, start_decoder(c, B), decoded, a)
    speech = compared_frames(r, x, y)
    target, output = speech if r.loss_on == "speech" else (frames * fade(c.spec), decoded * fade(c.spec))

    time, mel = time_loss(target, output), mel_loss(target, output, c.spec.sample_rate_hz)
    q, bits, rates, shares = rate_parts(r, phase, log_p, tables)
    softness = (1 - relaxation.hard) * r.quantisation_weight * q  # hard symbols need no penalty
    loss = r.time_weight * time + r.mel_weight * mel + relaxation.on * (softness + tau * bits)
    noise = jnp.sum((speech[0] - speech[1]) ** 2) / jnp.maximum(jnp.sum(speech[0] ** 2), 1e-9)
    parts = {"loss": loss, "time": time, "mel": mel, "quantisation": q, "nsr_db": 10 * jnp.log10(noise)}
    parts["lsf_bps"] = rates.pop(LSF, jnp.float32(0))
    parts["latent_bps"] = jnp.stack(list(rates.values())).sum()
    return loss, (parts | {"bps": parts["lsf_bps"] + parts["latent_bps"], "lambda": tau}, shares)
