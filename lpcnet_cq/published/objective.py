"""What training a published system minimises: distortion, hardness of the assignments, and tau times the rate.

Place in the chain: training only. Speech is compared with synthesised speech, so that the gradient reaches the LSF
codebook through analysis and synthesis filters; `loss_on="residual"` is the released code's way instead.

Letters: B batch, T frames, N = T*hop samples.
"""

import jax
import jax.numpy as jnp
from jax import lax

from lpcnet_cq.published.config import Recipe
from lpcnet_cq.published.frames import fade, split
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
from lpcnet_cq.published.quantiser import Acting, frame_bits, penalty, quantise
from lpcnet_cq.training.schedule import Phase


def compared_frames(r: Recipe, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return faded frames (B, T-1, W) of speech and of synthesised speech, which is one overlap late."""
    spec = r.system.spec
    V = spec.look_ahead
    late = jnp.pad(x, ((0, 0), (V, 0)))[:, : x.shape[1]]
    end = V + (x.shape[1] // spec.hop - 1) * spec.hop
    pairs = [split(v[:, :V], v[:, V:end], spec)[1] * fade(spec) for v in (late, y)]
    return pairs[0], pairs[1]


def rate_parts(r: Recipe, phase: Phase, log_p: dict, tables: dict):
    """Return quantisation penalty and soft bits of the trained parts, the hard rate of each part, and their shares.

    Both sums are per code sample of a module: an LSF symbol counts as much as a code symbol. Shares are those of the
    hard symbols, as `tables`; where a module is not in use yet they are those of its table.
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


def objective(model: Model, r: Recipe, phase: Phase, batch: dict, acting: Acting, tau: jax.Array, tables: dict):
    """Return the loss, and beside it its parts and the shares of all symbols.

    Parameters
    ----------
    model : Model
    r : Recipe
    phase : Phase
        Parts that it does not train are hard, and get no gradient.
    batch : dict
        From `front.prepare`: `x` (B, N), `lsf` (B, T, M).
    acting : Acting
        While it is not on, a new module pays for no bits either.
    tau : scalar
        Price of a bit per code sample.
    tables : dict
        Shares of each symbol by which bits are counted, in the shapes of `packet.frequency_tables`.
    """
    c, x, log_p, a = r.system, batch["x"], {}, None
    B = x.shape[0]
    if c.n_lsf:
        lsf, log_p[LSF] = quantise(model.lsf, batch["lsf"], acting if LSF in phase.trained else None)
        a = filters_of(c, lsf)
    if r.loss_on == "residual":
        a = lax.stop_gradient(a)
    _, frames = analyse(c, start_encoder(c, B), x, a)
    decoded, coded = cascade(model, frames, phase.n_modules, phase.trained, acting)
    log_p |= {i: code.log_p for i, code in enumerate(coded)}
    _, y = synthesise(c, start_decoder(c, B), decoded, a)
    speech = compared_frames(r, x, y)
    target, output = speech if r.loss_on == "speech" else (frames * fade(c.spec), decoded * fade(c.spec))

    time, mel = time_loss(target, output), mel_loss(target, output, c.spec.sample_rate_hz)
    q, bits, rates, shares = rate_parts(r, phase, log_p, tables)
    loss = r.time_weight * time + r.mel_weight * mel + acting.on * (r.quantisation_weight * q + tau * bits)
    noise = jnp.sum((speech[0] - speech[1]) ** 2) / jnp.maximum(jnp.sum(speech[0] ** 2), 1e-9)
    parts = {"loss": loss, "time": time, "mel": mel, "quantisation": q, "nsr_db": 10 * jnp.log10(noise)}
    parts["lsf_bps"] = rates.pop(LSF, jnp.float32(0))
    parts["latent_bps"] = jnp.stack(list(rates.values())).sum()
    return loss, (parts | {"bps": parts["lsf_bps"] + parts["latent_bps"], "lambda": tau}, shares)
