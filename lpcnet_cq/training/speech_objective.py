"""What training minimises: distortion of synthesised speech plus lambda times the rate in bits.

Letters: B batch, T packets, S subframes, N samples, R rate in bits per second.
"""

import jax
import jax.numpy as jnp

from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.nn.quantize import latent_steps, soft_to_hard
from lpcnet_cq.speech.envelope import interpolate_lsf, lsf_to_lpc
from lpcnet_cq.speech.model import Model, decode, encode_latents, encode_side, start_decoder, start_encoder
from lpcnet_cq.training.losses import mel_loss, spectrum_loss, weighted_nsr
from lpcnet_cq.training.pesq_loss import disturbance
from lpcnet_cq.training.presets import TrainConfig
from lpcnet_cq.training.psychoacoustic_loss import calibrated, calibration

UNHEARD = 0.01  # disturbance that counts as none: the logarithm asks for as much at 24 kbps as at 9
PRICE_POWER = 0.75  # of the step size: -dL/dR of a trained model falls so, 0.22 at 9 kbps, 0.09 at 24


def hard(n: jax.Array) -> jax.Array:
    """Round a soft integer, keeping its gradient: rates and contexts are always those of the stream."""
    return soft_to_hard(n, 1.0)


def packet_bits(model: Model, side: jax.Array, latents: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the ideal code lengths of side integers (B, T, K) and latents (B, T*S, D), from the start state."""
    start = start_encoder(model, side.shape[0])
    side_bits = logistic_bits(side, *model.entropy.side(start["side"], side))
    model_out = model.entropy.latent(start["side"][:, 1:], side, step, start["latents"], latents)
    return side_bits, logistic_bits(latents, *model_out)


def draw_steps(key: jax.Array, n_steps: int, span: float, B: int, T: int, centre: float = 0.5) -> jax.Array:
    """Draw step indices (B, T), evenly from the share `span` of all around `centre`, changing once in a sequence."""
    k1, k2 = jax.random.split(key)
    q = (centre + span * (jax.random.uniform(k1, (2, B)) - 0.5)) * n_steps
    change = jax.random.randint(k2, (B, 1), 0, 2 * T)  # half of the sequences never change
    return jnp.where(jnp.arange(T)[None] < change, q[0][:, None], q[1][:, None]).astype(jnp.int32)


def quantise(model: Model, batch: dict, step: jax.Array, hardness: jax.Array) -> tuple[dict, jax.Array]:
    """Return side information and latents of a batch, as soft as `hardness` says; arguments as for `objective`."""
    c = model.config
    B, N = batch["x"].shape[0], batch["x"].shape[1] - c.spec.look_ahead
    state, side = encode_side(model, start_encoder(model, B), batch["x"][:, :N], batch["lsf"][:, 1:], hardness)
    _, z = encode_latents(model, state, side, batch["x"][:, c.spec.look_ahead :])
    size = jnp.repeat(latent_steps(c.n_steps, c.step_ratio)[step], c.spec.n_subframes, axis=1)[..., None]
    return side, soft_to_hard(z / size, hardness)


def rates(model: Model, side: dict, n: jax.Array, step: jax.Array) -> dict[str, jax.Array]:
    """Return the ideal rates of every sequence, (B,) each, in bits per second: `lsf`, `gain`, `latent` and all.

    `priced_bps` counts every bit at the price of its packet's step size, 1 at the middle one.
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
    price = latent_steps(c.n_steps, c.step_ratio)[step] ** PRICE_POWER
    return bps | {"bps": packets.sum(1) / seconds, "priced_bps": (price * packets).sum(1) / seconds}


def objective(model: Model, t: TrainConfig, batch: dict, step: jax.Array, hardness, lam, hearing):
    """Return L = mel + spectrum + NSR + log disturbance + calibration + lambda R, weighted, and its parts.

    Parameters
    ----------
    model : Model
    t : TrainConfig
    batch : dict
        `x` (B, N + look_ahead) speech, `lsf` (B, T+1, M) unquantised LSF, the first of the packet before; `mask_db`
        (B, F, K) of `x` where the psychoacoustic terms count.
    step : integer array (B, T)
        Indices of latent step sizes.
    hardness : scalar
        0..1, see `quantize.soft_to_hard`.
    lam : scalar
        Price of 1 kbps.
    hearing : scalar
        Weight of the log of the disturbance, see `disturbance`.
    """
    c = model.config
    spec = c.spec
    x, lsf = batch["x"], batch["lsf"]
    B, T = step.shape
    side, n = quantise(model, batch, step, hardness)
    _, y = decode(model, start_decoder(model, B), side["lsf"], side["gain"], n, step)

    y, target = y[:, c.decoder_delay :], x[:, : T * spec.hop - c.decoder_delay]
    a = lsf_to_lpc(interpolate_lsf(lsf[:, 0], lsf[:, 1:], spec))[:, : -1]
    mel = mel_loss(target, y, spec.sample_rate_hz)
    spectrum = spectrum_loss(target, y)
    segments = target.shape[1] // spec.hop * spec.hop
    nsr = weighted_nsr(target[:, :segments], y[:, :segments], a[:, : segments // spec.subframe], spec.hop)
    heard = disturbance(target, y, spec.sample_rate_hz)
    parts = {"mel": mel, "spectrum": spectrum, "nsr_db": 10 * nsr, "disturbance": heard.mean()}
    parts |= {k: v.mean() for k, v in rates(model, side, n, step).items()}
    distortion = t.mel_weight * mel + t.spectrum_weight * spectrum + t.nsr_weight * nsr
    distortion += hearing * jnp.log(heard + UNHEARD).mean()
    if "mask_db" in batch:
        terms = calibration(target, y, batch["mask_db"], spec.sample_rate_hz)
        distortion += calibrated(terms, t)
        parts |= terms
    loss = distortion + lam * parts["priced_bps"] / 1000
    return loss, parts | {"loss": loss}
