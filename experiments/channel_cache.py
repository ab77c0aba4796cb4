"""Cache what the encoder of trained weights makes of speech, for trainings that leave the encoder as it is.

    python experiments/channel_cache.py FOLDER DATA [--model cq] [--hours 3] [--dev]
    python experiments/channel_cache.py FOLDER tones [--model cq] [--hours 0.3]

The second form takes tones and the like (`training.tones`) in place of speech. Writes crops of four seconds, drawn and
changed as training draws them, to FOLDER: `x.npy` (n, N + look_ahead) int16, `lsf.npy` (n, T + 1, M), `side.npy`
(n, T, K) int16 and the latents before rounding `z.npy` (n, T, S, D) float16. An interrupted run goes on where it
stopped.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.nn.runtime import with_values
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.training.corpus import cache_folder
from lpcnet_cq.training.data import open_corpus
from lpcnet_cq.training.speech_data import Batches, build_shards
from lpcnet_cq.training.tones import draw_tones

CROPS, SECONDS = 8, 4.0


@partial(jax.jit, static_argnums=0)
def encode(graph, params, x, lsf):
    """Return side integers and latents before rounding of crops."""
    model = nnx.merge(graph, params)
    ahead = model.config.spec.look_ahead
    state, side = cq.encode_side(model, cq.start_encoder(model, len(x)), x[:, :-ahead], lsf[:, 1:], 1.0)
    _, z = cq.encode_latents(model, state, side, x[:, ahead:])
    return jnp.concatenate([side["lsf"], side["gain"]], axis=-1), z


class ToneBatches:
    """Draw crops of signals that are no speech, as `Batches` draws those of speech."""

    def __init__(self, spec):
        self.spec = spec

    def batch(self, i: int) -> dict[str, np.ndarray]:
        """Return samples (B, N + look_ahead) and LSFs (B, T + 1, M), the first of the packet before the crop."""
        spec, rng = self.spec, np.random.default_rng([16, i])
        T = round(SECONDS * spec.sample_rate_hz / spec.hop)
        x = [draw_tones(rng, (T + 1) * spec.hop + spec.look_ahead, spec.sample_rate_hz) for _ in range(CROPS)]
        lsf = np.stack([analyse_lsf(v, spec)[: T + 1] for v in x])
        return {"x": np.stack(x)[:, spec.hop :], "lsf": lsf}


def arrays(folder: Path, n: int, c, mode: Literal["r", "r+", "w+"]) -> dict[str, np.memmap]:
    """Open the memory maps of n crops."""
    T = round(SECONDS * c.spec.sample_rate_hz / c.spec.hop)
    shapes = {
        "x": ((n, T * c.spec.hop + c.spec.look_ahead), np.int16),
        "lsf": ((n, T + 1, c.order), np.float32),
        "side": ((n, T, c.n_side), np.int16),
        "z": ((n, T, c.n_vectors, c.n_latents), np.float16),
    }
    opened = {}
    for name, (shape, kind) in shapes.items():
        path = folder / f"{name}.npy"
        opened[name] = np.lib.format.open_memmap(path, mode, kind, shape) if mode == "w+" else np.load(path, mode)
    return opened


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder", type=Path)
    p.add_argument("data")
    p.add_argument("--model", default="cq")
    p.add_argument("--hours", type=float, default=3.0)
    p.add_argument("--dev", action="store_true")
    args = p.parse_args()
    weights = load_weights(find_weights(args.model))
    c = weights.config
    graph, params = with_values(cq.Model, weights.floats, c)
    if args.data == "tones":
        batches = ToneBatches(c.spec)
    else:
        split = "dev" if args.dev else "train"
        clips = [clip for clip in open_corpus(args.data) if clip.split == split]
        batches = Batches(build_shards(clips, cache_folder() / "shards", c.spec), CROPS, SECONDS, seed=16)
    n = round(args.hours * 3600 / SECONDS / CROPS)
    args.folder.mkdir(parents=True, exist_ok=True)
    done_file = args.folder / "done.txt"
    done = int(done_file.read_text()) if done_file.exists() else 0
    out = arrays(args.folder, n * CROPS, c, "r+" if done else "w+")
    for i in range(done, n):
        batch = batches.batch(i)
        side, z = encode(graph, params, jnp.asarray(batch["x"]), jnp.asarray(batch["lsf"]))
        at = slice(i * CROPS, (i + 1) * CROPS)
        out["x"][at] = np.round(batch["x"] * 32767).astype(np.int16)
        out["lsf"][at] = batch["lsf"]
        out["side"][at] = np.asarray(side)
        out["z"][at] = np.asarray(z).reshape(out["z"][at].shape)
        if i % 10 == 9 or i == n - 1:
            for array in out.values():
                array.flush()
            done_file.write_text(str(i + 1))
            print(i + 1, "of", n, flush=True)


if __name__ == "__main__":
    main()
