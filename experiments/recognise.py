"""Train a speech recogniser, or prune a trained one, and measure its letter error rate.

    python experiments/recognise.py DATA --steps 1500 --out runs/recogniser.safetensors
    python experiments/recognise.py DATA --steps 400 --init runs/recogniser.safetensors --method csp --sparsity 0.8

DATA is a corpus whose `index.csv` has transcripts. The error rates are printed and stored in the notes of the weights.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from recogniser import Judge, Recogniser, error_counts, save
from report import make_parser
from transcripts import Batches, open_transcripts, read_features

from lpcnet_cq.checkpoint.weights import read_tensors, unflatten
from lpcnet_cq.nn.runtime import use_cache
from lpcnet_cq.pruning.input_moments import input_moments
from lpcnet_cq.pruning.schedule import spread_over
from lpcnet_cq.pruning.sparsify import make_sparse_update
from lpcnet_cq.training.optimiser import make_optimiser

MOMENT_BATCHES = 6  # over which the moments of the layers' inputs are averaged
LOG_EVERY = 50


@dataclass(frozen=True)
class Recipe:
    """Hold one training."""

    data: str
    steps: int = 1500
    seed: int = 0
    init: str = ""  # weights to start from
    method: str = "gradual"  # a name in `sparsify.methods`
    sparsity: float = 0.0  # nothing is pruned
    shrink: float = 1e-3
    learning_rate: float = 5e-3
    warmup_steps: int = 50


@lru_cache
def material(data: str) -> dict:
    """Return utterances and features of a corpus by part; they are read once for all trainings."""
    parts = open_transcripts(data)
    return {name: (part, read_features(part)) for name, part in parts.items()}


@lru_cache
def make_step():
    """Return optimiser, training step and function of the inputs' moments, the same for all trainings."""
    graph, _ = nnx.split(nnx.eval_shape(lambda: Recogniser(rngs=nnx.Rngs(0))), nnx.Param)
    optimiser = make_optimiser()

    def mean_loss(model, batch):
        """CTC per letter: A. Graves et al., "Connectionist temporal classification", ICML 2006."""
        logits, past = model(batch["x"], batch["n_frames"])
        none = jnp.where(batch["labels"] == 0, 1.0, 0.0)
        return jnp.sum(optax.ctc_loss(logits, past, batch["labels"], none)) / jnp.sum(1 - none)

    @jax.jit
    def step(params, state, batch, rate):
        loss, gradient = jax.value_and_grad(lambda p: mean_loss(nnx.merge(graph, p), batch))(params)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, state = optimiser.update(gradient, state, params)
        return jax.tree.map(lambda p, u: p + rate * u, params, updates), state, loss

    moments = jax.jit(lambda params, batch: input_moments(mean_loss, nnx.merge(graph, params), batch))
    return optimiser, step, moments


def start(r: Recipe) -> nnx.State:
    """Return the initial parameters of a recipe: by its seed, or from a file."""
    params = nnx.state(Recogniser(rngs=nnx.Rngs(r.seed)), nnx.Param)
    if r.init:
        nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, unflatten(read_tensors(Path(r.init))[0])))
    return params


def learning_rate(r: Recipe, i: int) -> float:
    """Return the learning rate at step i: linear warm-up, then cosine decay."""
    return r.learning_rate * min(1, (i + 1) / r.warmup_steps) * 0.5 * (1 + np.cos(np.pi * i / r.steps))


def train(r: Recipe, path: Path) -> dict:
    """Train, write the weights to `path`, and return their notes: the recipe, wrong letters and letters by part."""
    use_cache()  # one training after another compiles the same step
    parts, (optimiser, step, moments) = material(r.data), make_step()
    utterances, frames = parts["train"]
    batches = Batches(frames, [of.text for of in utterances], r.seed)

    def mean_moments(params):
        found = [moments(params, batches.batch(k)) for k in range(MOMENT_BATCHES)]
        return jax.tree.map(lambda *G: sum(G[1:], G[0]) / len(G), *found)

    params = start(r)
    update, init = make_sparse_update(r.method, spread_over(r.steps, r.sparsity), mean_moments, shrink=r.shrink)
    state, masks = optimiser.init(params), init(params)
    for i in range(r.steps):
        rate = jnp.float32(learning_rate(r, i))
        after, state, loss = step(params, state, batches.batch(i), rate)
        params, masks = update(params, after, masks)
        if (i + 1) % LOG_EVERY == 0:
            print(f"step {i + 1}, loss per letter {float(loss):.3f}", flush=True)
    save(path, params, asdict(r))
    judge = Judge(path)
    counts = {name: error_counts(judge, parts[name][1], parts[name][0]) for name in ("held", "dev")}
    notes = asdict(r) | {name: of.sum(axis=0).tolist() for name, of in counts.items()}
    save(path, params, notes)
    return notes


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", default="", help="weights to start from")
    parser.add_argument("--method", default=Recipe.method)
    parser.add_argument("--sparsity", type=float, default=Recipe.sparsity)
    parser.add_argument("--shrink", type=float, default=Recipe.shrink)
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--out", type=Path, default=Path("runs/recogniser.safetensors"))
    args = vars(parser.parse_args())
    path = args.pop("out")
    notes = train(Recipe(**args), path)
    for part in ("held", "dev"):
        wrong, letters = notes[part]
        print(f"{part}: {wrong} of {letters} letters wrong, {100 * wrong / letters:.1f} %")


if __name__ == "__main__":
    main()
