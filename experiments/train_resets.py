"""Train the entropy model of speech for context resets, on what the encoder gave (`channel_cache.py`).

    python experiments/train_resets.py FOLDER OUT [--model cq] [--steps 3000]

All other parameters stay those of the model, and so do its integers before rounding. Latents are rounded as the encoder
rounds them (`bitstream.rdoq`), by what the entropy model expects at that moment. OUT/checkpoint.safetensors is resumed,
OUT/weights.safetensors is written at the end.
"""

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.bitstream.rate_control import ROUNDING_BITS
from lpcnet_cq.bitstream.rdoq import MULTIPLIER
from lpcnet_cq.checkpoint.training_files import load_checkpoint, save_checkpoint, save_weights
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.nn.quantize import latent_steps
from lpcnet_cq.nn.runtime import use_cache, with_values
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.entropy import EntropyModel
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.training.optimiser import make_optimiser
from lpcnet_cq.training.step_sizes import draw_steps

INTERVALS = np.array([1, 2, 3, 5, 10, 25, 10**6])
SHARES = np.array([0.25, 0.15, 0.1, 0.15, 0.1, 0.1, 0.15])
HEAD_BITS = 0.25  # flag and step of a packet where nothing changes
COPY_SHARE = 0.3  # of the crops: coarse packets that all reset the context, as copies of earlier packets do
SPARSE_STEPS = 3  # the coarsest step sizes, at which latents are also rounded with larger multipliers
OCTAVES = 2.0  # range of the multiplier at each of them, in doublings, beyond that of the next finer one
PASSES = 2  # passes of rounding; each has the result of the pass before as context
T, FIRST = 64, 3  # packets of a crop and of the past before it, which a crop of the cache begins with
LEARNING_RATE, WARMUP = 2e-3, 100


def start_values(floats: dict) -> dict:
    """Return the parameters of an entropy model with resets that does what one without does."""
    side, latent = floats["side"], floats["latent"]
    K, H = side["skip"].shape[1], len(side["b1"])
    side = side | {"within": np.zeros((K, H), np.float32)}
    latent = latent | {"reset_ws": latent["ws"][:K], "reset_bs": latent["bs"], "reset_bp": latent["bp"]}
    return {"side": side, "side_reset": side, "side_second": side, "latent": latent}


def draw_packets(key, B: int, Q: int):
    """Draw step indices, resets and Lagrange multipliers of packets, (B, T) each.

    The first crops are those of copies: each packet resets the context, at one of the coarsest step sizes.
    """
    k1, k2, k3, k4 = jax.random.split(key, 4)
    copies = jnp.arange(B)[:, None] < round(COPY_SHARE * B)
    coarse = Q - 1 - jnp.minimum(jax.random.geometric(k1, 0.7, (B, 1)) - 1, SPARSE_STEPS - 1)
    step = jnp.where(copies, coarse, draw_steps(k2, (0, Q), B, T))
    reset = copies | draw_resets(k3, B)
    octaves = OCTAVES * (step - (Q - 1 - SPARSE_STEPS)).clip(0) * jax.random.uniform(k4, (B, 1))
    return step, reset, MULTIPLIER * 2.0**octaves


def draw_resets(key, B: int):
    """Draw which packets reset the context, (B, T): each crop at one interval."""
    k1, k2 = jax.random.split(key)
    every = jnp.asarray(INTERVALS)[jax.random.choice(k1, len(INTERVALS), (B, 1), p=jnp.asarray(SHARES))]
    phase = jax.random.randint(k2, (B, 1), 0, 10**6)
    return (jnp.arange(T) + phase) % every == every - 1


def expect_latents(model: EntropyModel, side, n, step, reset):
    """Return means and log-scales of latents (B, T*S, D) behind the first packets."""
    S = n.shape[1] // side.shape[1]
    known = n[:, (FIRST * S - model.latent.context) : FIRST * S]
    return model.latent(side[:, FIRST - 1 : FIRST], side[:, FIRST:], step, known, n[:, FIRST * S :], reset)


def quantise(model: EntropyModel, side, z, step, reset, multiplier):
    """Round latents (B, FIRST + T, S, D) as `bitstream.rdoq` does, (B, (FIRST + T)*S, D); multiplier (B, T)."""
    B, _, S, D = z.shape
    sizes = latent_steps(SpeechConfig.n_steps, SpeechConfig.step_ratio)
    sizes = sizes[jnp.pad(step, ((0, 0), (FIRST, 0)), mode="edge")]
    z = (z / sizes[..., None, None]).reshape(B, -1, D)
    n = near = jnp.round(z)
    now, real = near[:, FIRST * S :], z[:, FIRST * S :]
    weight = jnp.repeat(multiplier, S, axis=1)[..., None]
    sparse = weight > MULTIPLIER

    for _ in range(PASSES):
        mean, log_scale = expect_latents(model, side, n, step, reset)

        def cost(n, mean=mean, log_scale=log_scale):
            return (real - n) ** 2 + weight * logistic_bits(n, mean, log_scale)

        inward = now - jnp.sign(now - mean) * (jnp.abs(now - mean) >= 0.5)
        best = jnp.where(cost(inward) < cost(now), inward, now)
        best = jnp.where(sparse & (cost(0 * now) < cost(best)), 0.0, best)
        n = near.at[:, FIRST * S :].set(best)
    return n


def packet_bits(model: EntropyModel, side, z, step, reset, multiplier):
    """Return bits of side integers and of latents per packet, (B, T) each."""
    n = jax.lax.stop_gradient(quantise(model, side, z, step, reset, multiplier))
    S = z.shape[2]
    first = model.predict_side(side[:, FIRST - 2 : FIRST], side[:, FIRST:], reset)
    second = expect_latents(model, side, n, step, reset)
    side_bits = logistic_bits(side[:, FIRST:], *first).sum(-1)
    latent_bits = logistic_bits(n[:, FIRST * S :], *second).reshape(*step.shape, -1).sum(-1)
    return side_bits, latent_bits


class Crops:
    """Draw crops from the cache: batch number `i` is always the same."""

    def __init__(self, folder: Path, batch: int):
        self.side, self.z = (np.load(folder / f"{name}.npy", "r") for name in ("side", "z"))
        self.batch, self.n = batch, 8 * int((folder / "done.txt").read_text())

    def __call__(self, i: int):
        rng = np.random.Generator(np.random.Philox(key=np.array([16, i], np.uint64)))
        rows = rng.integers(self.n, size=self.batch)
        at = rng.integers(2, self.side.shape[1] - T - FIRST + 1, size=self.batch)
        pick = [slice(a, a + FIRST + T) for a in at]
        side = np.stack([self.side[r, p] for r, p in zip(rows, pick, strict=True)]).astype(np.float32)
        z = np.stack([self.z[r, p] for r, p in zip(rows, pick, strict=True)]).astype(np.float32)
        return side, z


def rate_table(graph, params, crops: Crops, n_steps: int, rounds: int = 3) -> dict:
    """Return mean bits of held-out packets at some step sizes by interval: side, latents, all."""

    @partial(jax.jit, static_argnums=0)
    def bits(graph, params, side, z, q, every, multiplier):
        step = jnp.full((len(side), T), q)
        reset = jnp.broadcast_to((jnp.arange(T) % every) == every - 1, step.shape)
        parts = packet_bits(nnx.merge(graph, params), side, z, step, reset, jnp.full(step.shape, multiplier))
        return [b.mean() for b in parts]

    table = {}
    rows = [(q, every, 0) for q in (12, 8) for every in (1, 5, 10**6)]
    for q, every, octaves in [*rows, *((n_steps - 1, 1, i) for i in (0, 2, 4, 6))]:
        multiplier = jnp.float32(MULTIPLIER * 2.0**octaves)
        sums = np.array([bits(graph, params, *crops(i), q, every, multiplier) for i in range(rounds)]).mean(0)
        table[f"q{q} every {every} octaves {octaves}"] = [round(float(v), 2) for v in sums]
    return table


def finish(out: Path, weights, c, graph, entropy, crops: Crops) -> None:
    """Write the weights with the new entropy model, and the rates that its packets have on average."""
    entropy = jax.tree.map(np.asarray, nnx.to_pure_dict(entropy))
    _, params = with_values(cq.Model, weights.floats | {"entropy": entropy}, c)

    @jax.jit
    def bits(params, side, z, q):
        step, model = jnp.full((len(side), T), q), nnx.merge(graph, params)
        a, b = packet_bits(model, side, z, step, jnp.zeros(step.shape, bool), jnp.full(step.shape, MULTIPLIER))
        return (a + b).mean()

    per_s = c.spec.sample_rate_hz / c.spec.hop
    rates = [np.mean([bits(params["entropy"], *crops(i), q) for i in range(6)]) for q in range(c.n_steps)]
    notes = weights.notes | {"mean_rates_bps": [round(float(per_s * (r + HEAD_BITS + ROUNDING_BITS))) for r in rates]}
    print("rates", notes["mean_rates_bps"], flush=True)
    save_weights(out / "weights.safetensors", params, freeze(entropy, c), c, notes)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--model", default="cq")
    p.add_argument("--steps", type=int, default=3000)
    p.add_argument("--batch", type=int, default=12)
    args = p.parse_args()
    use_cache()
    args.out.mkdir(parents=True, exist_ok=True)
    weights = load_weights(find_weights(args.model))
    assert isinstance(weights.config, SpeechConfig)
    c = replace(weights.config, context_resets=True)
    floats = weights.floats["entropy"]
    model = EntropyModel(c, rngs=nnx.Rngs(0))
    graph, params = nnx.split(model, nnx.Param)
    values = floats if "side_reset" in floats else start_values(floats)
    nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, values))
    optimiser = make_optimiser()
    train, dev = Crops(args.folder / "train", args.batch), Crops(args.folder / "dev", 16)

    @jax.jit
    def update(state, side, z, key, rate):
        params, opt_state, mean = state
        step, reset, multiplier = draw_packets(key, len(side), c.n_steps)

        def loss(params):
            a, b = packet_bits(nnx.merge(graph, params), side, z, step, reset, multiplier)
            weight = latent_steps(c.n_steps, c.step_ratio)[step] ** 0.75
            return (weight * (a + b)).mean(), ((a * reset).sum() / reset.sum(), a.mean(), b.mean())

        (value, parts), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimiser.update(gradient, opt_state, params)
        params = jax.tree.map(lambda p, u: p + rate * u, params, updates)
        mean = jax.tree.map(lambda m, p: m + 0.005 * (p - m), mean, params)
        return (params, opt_state, mean), (value, *parts)

    state, i = (params, optimiser.init(params), params), 0
    checkpoint = args.out / "checkpoint.safetensors"
    if checkpoint.exists():
        state, notes = load_checkpoint(checkpoint, state)
        i = notes["step"]
    else:
        print("start", json.dumps(rate_table(graph, params, dev, c.n_steps)), flush=True)
    saved, sums, key = time.monotonic(), [], jax.random.key(16)
    while i < args.steps:
        rate = LEARNING_RATE * min(1.0, (i + 1) / WARMUP) * 0.5 * (1 + np.cos(np.pi * i / args.steps))
        state, parts = update(state, *train(i), jax.random.fold_in(key, i), jnp.float32(rate))
        sums.append([float(v) for v in parts])
        i += 1
        if i % 50 == 0:
            print(i, time.strftime("%H:%M:%S"), np.mean(sums, axis=0).round(3).tolist(), flush=True)
            sums = []
        if time.monotonic() - saved > 300 or i == args.steps or i % 1000 == 0:
            save_checkpoint(checkpoint, state, {"step": i})
            saved = time.monotonic()
            print(i, json.dumps(rate_table(graph, state[2], dev, c.n_steps)), flush=True)
    finish(args.out, weights, c, graph, state[2], train)


if __name__ == "__main__":
    main()
