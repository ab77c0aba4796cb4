"""Train the decoder of speech on what the encoder gave (`channel_cache.py`): for lost packets, and for a natural sound.

    python experiments/train_decoder.py FOLDER OUT --model WEIGHTS [--steps 4000] [--adversarial 1]

FOLDER holds the caches `train`, `dev` and, if wanted, `tones`, of which one crop in 33 is taken. Encoder, quantisers
and entropy model stay as they are. With `--adversarial`, the weight of these terms, discriminators are trained as well.
OUT/checkpoint.safetensors is resumed; OUT/weights.safetensors is written with each checkpoint.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import train_resets as resets
from flax import nnx

from lpcnet_cq.bitstream.protection import MAX_DISTANCE
from lpcnet_cq.checkpoint.training_files import load_checkpoint, save_checkpoint, save_weights
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.nn.runtime import use_cache
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.concealment import simulate_losses
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.envelope import interpolate_lsf, lsf_to_lpc
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.residual_coder import condition_size
from lpcnet_cq.training.discriminator import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from lpcnet_cq.training.losses import level_loss, mel_loss, spectrum_loss, weighted_nsr
from lpcnet_cq.training.optimiser import make_optimiser
from lpcnet_cq.training.pesq_loss import pesq_loss
from lpcnet_cq.training.speech_objective import PESQ_OFFSET
from lpcnet_cq.training.step_sizes import draw_steps

T = resets.FIRST + resets.T  # packets of a crop
LEARNING_RATE, WARMUP = 1.5e-3, 100
REPEATS = 16  # subframes whose mean shows what repeats
WEIGHTS = {"mel": 2.5, "spectrum": 10.0, "nsr": 2.0, "heard": 1.0, "side": 0.5, "lines": 3.0, "level": 1.0}
ADVERSARIAL = {"adversarial": 0.5, "feature": 3.0}  # weights of these terms, relative to `--adversarial`
LEAD = 200  # steps during which only the discriminators learn
JUDGED = slice(16, 48)  # packets of a crop that the discriminators see: fewer are faster
JUDGED_CROPS = 4
TONES = 0.03  # share of the crops that are tones
NEXT_KNOWN = 0.7  # share of the crops in which the decoder knows a packet soon after lost ones
COPIES = 0.2  # share of the crops that are decoded from the coarse packets of copies


def start_values(model: cq.Model, floats: dict, c) -> dict:
    """Return the parameters of a model with concealment that decodes as one without does where nothing is lost."""
    values = {name: value for name, value in floats.items()}
    if "concealment" in values:
        return values
    values["concealment"] = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model.concealment, nnx.Param)))
    coarse = dict(floats["decoder"]["coarse"])
    coarse[0] = coarse[0] | {"kernel": np.pad(coarse[0]["kernel"], ((0, 0), (0, 2), (0, 0)))}
    values["decoder"] = floats["decoder"] | {"coarse": coarse}
    look, at = floats["postfilter"]["look"], condition_size(c) + 1
    kernel = np.insert(look["kernel"], [at, at], 0.0, axis=1)
    values["postfilter"] = floats["postfilter"] | {"look": look | {"kernel": kernel}}
    return values


def draw_losses(rng: np.random.Generator, B: int) -> np.ndarray:
    """Draw which packets are lost, (B, T): none in some crops, else single ones or bursts; the first two never."""
    lost = np.zeros((B, T), bool)
    for row in lost:
        kind, t = rng.random(), 2
        if kind < 0.25:
            continue
        rate, mean = rng.uniform(0.04, 0.25), 1.0 if kind < 0.55 else rng.uniform(1.5, 5.0) if kind < 0.9 else 12.0
        while t < T:
            t += 1 + rng.geometric(min(0.9, rate / mean / (1 - rate)))
            n = rng.geometric(1 / mean)
            row[t : t + n] = True
            t += n
    return lost


def draw_repeats(rng: np.random.Generator, lost: np.ndarray) -> np.ndarray:
    """Draw which lost packets lack side information as well, (B, T): a later packet repeats it in half of the crops."""
    share = np.where(rng.random((len(lost), 1)) < 0.5, rng.uniform(0.5, 1.0, (len(lost), 1)), 0.0)
    return lost & (rng.random(lost.shape) >= share)


def draw_distance(rng: np.random.Generator, lost: np.ndarray) -> np.ndarray:
    """Draw the distances (B, T) from lost packets to received ones that the decoder knows, in most crops; 0: none."""
    distance, (B, T) = np.zeros(lost.shape, np.int32), lost.shape
    for d in range(MAX_DISTANCE, 0, -1):
        received = np.pad(~lost[:, d:], ((0, 0), (0, d)))[:, :T]
        distance = np.where(lost & received, d, distance)
    return np.where(rng.random((B, 1)) < NEXT_KNOWN, distance, 0)


class Crops(resets.Crops):
    """Add the speech itself, its LSF and losses to the crops, and crops of tones."""

    def __init__(self, folder: Path, batch: int, c):
        super().__init__(folder, batch)
        self.x, self.lsf = np.load(folder / "x.npy", "r"), np.load(folder / "lsf.npy", "r")
        self.hop = c.spec.hop
        tones = folder.parent / "tones"
        self.tones = Crops(tones, 1, c) if tones.exists() and folder.name == "train" else None

    def __call__(self, i: int):
        rng = np.random.Generator(np.random.Philox(key=np.array([17, i], np.uint64)))
        rows = rng.integers(self.n, size=self.batch)
        at = rng.integers(2, self.side.shape[1] - T + 1, size=self.batch)
        take = [(r, slice(a, a + T)) for r, a in zip(rows, at, strict=True)]
        x = np.stack([self.x[r, p.start * self.hop : p.stop * self.hop] for r, p in take]).astype(np.float32) / 32767
        lsf = np.stack([self.lsf[r, p.start : p.stop + 1] for r, p in take])
        side, z = (np.stack([a[take_] for take_ in take]).astype(np.float32) for a in (self.side, self.z))
        lost = draw_losses(rng, self.batch)
        losses = {"lost": lost, "side_lost": draw_repeats(rng, lost), "distance": draw_distance(rng, lost)}
        crops = losses | {"x": x, "lsf": lsf, "side": side, "z": z}
        if self.tones is not None and rng.random() < TONES * self.batch:
            tone = self.tones(i)  # first of the batch, which the discriminators do not see
            crops = {name: np.concatenate([tone[name], value[1:]]) for name, value in crops.items()}
        return crops


def objective(model: cq.Model, batch: dict, step, multiplier):
    """Return the loss, its parts, and the excerpts of recordings and decoded speech for the discriminators."""
    c, lost = model.config, batch["lost"]
    B, M, spec = len(lost), c.order, c.spec
    drawn_step, drawn = step[:, resets.FIRST :], multiplier[:, resets.FIRST :]
    entropy_in = batch["side"], batch["z"], drawn_step, drawn > resets.MULTIPLIER, drawn
    n = jax.lax.stop_gradient(resets.quantise(model.entropy, *entropy_in))
    distance = jnp.where(batch["side_lost"], batch["distance"], 0)
    side = jnp.take_along_axis(batch["side"], (jnp.arange(lost.shape[1]) + distance)[..., None], axis=1)
    n_lsf, n_gain = side[..., :M], side[..., M:]
    state = cq.start_decoder(model, B)
    frozen = jax.lax.stop_gradient(nnx.state(model))
    teacher = nnx.merge(nnx.graphdef(model), frozen)
    whole = batch["side"][..., :M], batch["side"][..., M:], n, step
    e = jax.lax.stop_gradient(cq.decode_with_excitation(teacher, state, *whole)[2])
    marks = lost, batch["side_lost"], distance
    loss = simulate_losses(state["concealment"], *marks, e, spec.n_subframes, spec.subframe)
    _, y, e = cq.decode_with_excitation(model, state, n_lsf, n_gain, n, step, loss)

    lag, warm = c.decoder_delay, resets.FIRST * spec.hop
    y, target = y[:, lag + warm :], batch["x"][:, warm : T * spec.hop - lag]
    a = lsf_to_lpc(interpolate_lsf(batch["lsf"][:, 0], batch["lsf"][:, 1:], spec))[:, warm // spec.subframe : -1]
    end = target.shape[1] // spec.hop * spec.hop
    nsr = weighted_nsr(target[:, :end], y[:, :end], a[:, : end // spec.subframe], spec.hop)
    heard = pesq_loss(target, y, spec.sample_rate_hz)
    real_lsf, real_g = (q.synthesise(n) for q, n in ((model.lsf, whole[0]), (model.gain, whole[1])))
    given = model.lsf.synthesise(n_lsf), model.gain.synthesise(n_gain)
    _, lsf, g = model.concealment.conceal_side(state["concealment"], *given, loss, model.lsf.mean[...])
    soon = jnp.where(loss.side_lost & (loss.count <= 5), 1.0, 0.0)[..., None]
    side = (jnp.abs(lsf - real_lsf) * soon).sum() * 5 / M + 0.3 * (jnp.abs(g - real_g) * soon).sum() / spec.n_subframes
    excitation = e.reshape(B, -1, spec.subframe)
    excitation = excitation[:, : excitation.shape[1] // REPEATS * REPEATS].reshape(-1, REPEATS, spec.subframe)
    repeats = (excitation.mean(axis=1) ** 2).mean(-1) / ((excitation**2).mean((1, 2)) + 1e-4)
    parts = {
        "mel": mel_loss(target, y, spec.sample_rate_hz),
        "spectrum": spectrum_loss(target, y),
        "nsr": nsr,
        "heard": jnp.log(heard + PESQ_OFFSET).mean(),
        "side": side / jnp.maximum(soon.sum(), 1),
        "lines": jnp.maximum(repeats * REPEATS - 1, 0.0).mean(),
        "level": level_loss(target, y, spec.sample_rate_hz),
    }
    total = sum(WEIGHTS[name] * value for name, value in parts.items())
    level = jax.lax.rsqrt(jnp.mean(target**2, axis=1, keepdims=True) + 1e-8)
    judged = slice(JUDGED.start * spec.hop, JUDGED.stop * spec.hop)
    excerpts = [(level * v)[-JUDGED_CROPS:, judged] for v in (target, y)]
    return total, (parts | {"loss": total, "disturbance": heard.mean()}, excerpts)


def trained(path) -> bool:
    """Say whether a parameter is trained."""
    names = [getattr(p, "key", None) for p in path]
    return names[0] in ("decoder", "postfilter", "concealment") or names[:2] == ["lapped", "back"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--model", default="cq")
    p.add_argument("--steps", type=int, default=4000)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--adversarial", type=float, default=0.0)
    args = p.parse_args()
    use_cache()
    args.out.mkdir(parents=True, exist_ok=True)
    weights = load_weights(find_weights(args.model))
    trained_config = weights.config
    assert isinstance(trained_config, SpeechConfig)
    c = replace(trained_config, concealment=True)
    model = cq.Model(c, rngs=nnx.Rngs(0))
    values = start_values(model, weights.floats, c)
    graph, params = nnx.split(model, nnx.Param)
    nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, values))
    mask = jax.tree_util.tree_map_with_path(lambda path, _: jnp.float32(trained(path)), params)
    optimiser, judge_optimiser = make_optimiser(), optax.adam(1e-3, b1=0.8, b2=0.99)
    judge_graph, judge = nnx.split(Discriminators(rngs=nnx.Rngs(1)), nnx.Param)
    train, dev = Crops(args.folder / "train", args.batch, c), Crops(args.folder / "dev", args.batch, c)

    def draw(key, B):
        """Draw step indices and multipliers of packets: those of copies in some crops."""
        k1, k2, k3 = jax.random.split(key, 3)
        copies = jax.random.uniform(k1, (B, 1)) < COPIES
        step = draw_steps(k2, (0.15 * c.n_steps, 0.85 * c.n_steps), B, T)
        octaves = 4 * jax.random.uniform(k3, (B, 1))
        multiplier = resets.MULTIPLIER * 2.0 ** jnp.where(copies, octaves, 0.0)
        return jnp.where(copies, c.n_steps - 1, step), jnp.broadcast_to(multiplier, (B, T))

    @jax.jit
    def update(state, batch, key, rate, adversarial):
        params, opt_state, mean, judge, judge_state = state
        step, multiplier = draw(key, len(batch["lost"]))

        def loss(params):
            total, (parts, (real, decoded)) = objective(nnx.merge(graph, params), batch, step, multiplier)
            if args.adversarial:
                judges = nnx.merge(judge_graph, judge)
                seen, made = judges(real), judges(decoded)
                parts |= {"adversarial": adversarial_loss(made), "feature": feature_loss(seen, made)}
                total = total + adversarial * sum(w * parts[name] for name, w in ADVERSARIAL.items())
            return total, (parts, (real, decoded))

        (_, (parts, excerpts)), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        norm = sum((m * (g**2).sum()) for m, g in zip(jax.tree.leaves(mask), jax.tree.leaves(gradient), strict=True))
        gradient = jax.tree.map(lambda g, m: jnp.where(jnp.isfinite(norm), g * m, 0.0), gradient, mask)
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimiser.update(gradient, opt_state, params)
        params = jax.tree.map(lambda p, u, m: p + rate * m * u, params, updates, mask)
        mean = jax.tree.map(lambda m, p: m + 0.005 * (p - m), mean, params)
        if args.adversarial:
            real, decoded = excerpts

            def judge_loss(judge):
                judges = nnx.merge(judge_graph, judge)
                return discriminator_loss(judges(real), judges(decoded))

            parts["judge"], gradient = jax.value_and_grad(judge_loss)(judge)
            with jax.numpy_dtype_promotion("standard"):
                updates, judge_state = judge_optimiser.update(gradient, judge_state, judge)
                judge = optax.apply_updates(judge, updates)
        return (params, opt_state, mean, judge, judge_state), parts | {"norm": norm**0.5}

    @jax.jit
    def measure(params, batch, q):
        shape = len(batch["lost"]), T
        step, multiplier = jnp.full(shape, q), jnp.full(shape, resets.MULTIPLIER)
        return objective(nnx.merge(graph, params), batch, step, multiplier)[1][0]

    def report(i, params):
        rows = [measure(params, dev(k), q) for k in range(4) for q in (12, 8)]
        print("dev", i, {k: round(float(np.mean([r[k] for r in rows])), 4) for k in rows[0]}, flush=True)

    def save(params, i):
        floats = jax.tree.map(np.asarray, nnx.to_pure_dict(params))
        integers = weights.integers if trained_config.context_resets else freeze(floats["entropy"], c)
        save_weights(args.out / "weights.safetensors", params, integers, c, weights.notes | {"decoder_steps": i})

    state, i = (params, optimiser.init(params), params, judge, judge_optimiser.init(judge)), 0
    checkpoint = args.out / "checkpoint.safetensors"
    if checkpoint.exists():
        state, notes = load_checkpoint(checkpoint, state)
        i = notes["step"]
    report(i, state[2])
    saved, sums, key = time.monotonic(), [], jax.random.key(17)
    while i < args.steps:
        rate = LEARNING_RATE * min(1.0, (i + 1) / WARMUP) * 0.5 * (1 + np.cos(np.pi * i / args.steps))
        adversarial = args.adversarial * float(np.clip((i - LEAD) / LEAD, 0, 1))
        rate *= float(i >= LEAD or not args.adversarial)
        state, parts = update(state, train(i), jax.random.fold_in(key, i), *map(jnp.float32, (rate, adversarial)))
        sums.append({k: float(v) for k, v in parts.items()})
        i += 1
        if i % 25 == 0:
            means = {k: round(float(np.mean([s[k] for s in sums])), 4) for k in sums[0]}
            print(i, time.strftime("%H:%M:%S"), means, flush=True)
            sums = []
        if time.monotonic() - saved > 300 or i == args.steps:
            save_checkpoint(checkpoint, state, {"step": i})
            save(state[2], i)
            report(i, state[2])
            saved = time.monotonic()


if __name__ == "__main__":
    main()
