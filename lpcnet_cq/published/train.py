"""Training of a published system: `train(recipe, workdir)` trains on a folder of speech and writes a weights file.

It uses the training loop of our own codecs, `training.loop`. With a budget of minutes, the schedule follows the
processor time of the training, so that other programs on the machine do not change it. It writes the files of the loop
to `workdir`, and after each sitting `weights.safetensors`, which contains the averages of the parameters over the last
steps, and the frequency tables of their symbols.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dsp.frames import FrameSpec
from lpcnet_cq.published.config import Recipe
from lpcnet_cq.published.front import lsf_levels, prepare
from lpcnet_cq.published.model import Model, analyse, cascade, encode, filters_of, start_encoder
from lpcnet_cq.published.objective import objective
from lpcnet_cq.published.packet import LSF, frequency_tables
from lpcnet_cq.published.quantiser import Relaxation, cluster_centres, quantise, scale_centroids
from lpcnet_cq.published.rate import multiplier, start_control, update_control, used_bps
from lpcnet_cq.published.weights import save_system
from lpcnet_cq.training import loop
from lpcnet_cq.training.corpus import cache_folder
from lpcnet_cq.training.data import open_corpus
from lpcnet_cq.training.loop import Budget, Position, Run, Setting, State
from lpcnet_cq.training.schedule import Phase, learning_rate, two_phases
from lpcnet_cq.training.speech_data import Batches, build_shards

CENTROID_RATE = 0.1  # relative learning rate of centroids, whose distances are only some hundredths
CROP_S = 2.0  # shortest crop from which the level of its frames is measured
START_BATCHES = 32  # number of batches from which codebooks are initialised
LEAST_BITS = 0.3  # smallest initial rate of a new module, in bits per code sample
FURTHER_MULTIPLIER = 0.25  # initial multiplier of a further module, relative to the previous module
COUNT_BATCHES = 64  # number of batches whose symbols are counted for the frequency tables
AVERAGED_STEPS = 200  # time constant of the averages of the parameters

Batch = Callable[[int], dict]  # batch number, as `front.prepare` makes it


def phases_of(r: Recipe) -> list[Phase]:
    """Return the phases of a recipe: module by module, a trained LSF codebook with the first one, then all."""
    codebook = (LSF,) if r.system.lpc == "trained" else ()
    groups = [(*codebook, 0), *((i,) for i in range(1, r.system.n_modules))]
    return two_phases(groups, r.learning_rates, r.shares)


def equal_length(norm: jax.Array) -> jax.Array:
    """Return the factor that brings a gradient to length 1; 0 for one that is not finite.

    All steps then have the same weight. Otherwise some steps would dominate, because the error of one crop after 1/A(z)
    can be a hundred times that of another.
    """
    return jnp.where(jnp.isfinite(norm), 1 / jnp.maximum(norm, 1e-9), 0.0)


def relative_rate(r: Recipe, path: tuple) -> float:
    """Return the relative learning rate of the parameter at a path of the tree.

    Alpha is trained only if decoders receive soft symbols. It has no effect on hard ones, and the rate alone would make
    the assignments so sharp that the rate has no gradient.
    """
    name = jax.tree_util.keystr(path)
    if "temperature" in name and r.hard:
        return 0.0
    return CENTROID_RATE if "centroids" in name else 1.0


def multiplier_factor_at(r: Recipe, phase: Phase, done: float) -> float:
    """Return the factor of the Lagrange multiplier at a point of a phase, 0..1.

    For modules after the first one it increases slowly. With the full multiplier from the start, such a module can stop
    sending information before its decoder has learned to use it, and it does not recover.
    """
    further = phase.n_modules > 1 and not phase.joint
    return min(1.0, max(0.0, done - r.unquantised) / r.multiplier_ramp) if further else 1.0


def target_bps_at(r: Recipe, phase: Phase, done: float) -> float:
    """Return the target of the rate at a point of a phase, 0..1.

    The first module starts at `Recipe.start_bps`, and its target decreases to that of the module by equal factors. A
    decoder learns little from symbols of less than a bit if it has not learned from finer ones.
    """
    target_bps = r.bitrates_bps[phase.n_modules - 1]
    if phase.n_modules > 1 or phase.joint:
        return target_bps
    left = 1 - min(1.0, max(0.0, (done - r.unquantised) / r.descent))
    return target_bps * max(1.0, r.start_bps / target_bps) ** left


def start_averages(params: nnx.State) -> tuple[nnx.State, jax.Array]:
    """Return averages that begin with `params`, and the number of steps they include."""
    return params, jnp.float32(0)


@jax.jit
def update_averages(averages: tuple[nnx.State, jax.Array], params: nnx.State) -> tuple[nnx.State, jax.Array]:
    """Return exponential averages after one more step; the first steps have equal weights."""
    means, n = averages
    n = jnp.minimum(n + 1, AVERAGED_STEPS)
    return jax.tree.map(lambda mean, p: mean + (p - mean) / n, means, params), n


def relaxation_at(r: Recipe, phase: Phase, done: float) -> Relaxation:
    """Return the relaxation of the quantisers at a point of a phase, 0..1.

    If decoders receive hard symbols (`Recipe.hard`), soft assignments are used for the gradient of the rate only, and
    are not sharpened, because sharp ones have almost no gradient. Otherwise decoders receive soft symbols, as
    published, whose sharpness increases to its full value at the end of the phase of a new module.
    """
    on = phase.joint or done >= r.unquantised
    sharpness = r.softness ** (1.0 if r.hard else max(0.0, 1 - done - phase.joint))
    return Relaxation(*(jnp.float32(v) for v in (on, sharpness, r.hard)))


def initial_model(r: Recipe, batches: list[dict]) -> Model:
    """Return a model whose LSF codebook, if it has one, spans the LSFs of some batches."""
    model = Model(r.system, rngs=nnx.Rngs(r.seed))
    if r.system.n_lsf:
        lsf = np.concatenate([b["lsf"] for b in batches]).reshape(-1, r.system.order)
        model.lsf.centroids[...] = jnp.asarray(lsf_levels(lsf, r.system.n_lsf_centroids))
    return model


def initialise_quantiser(r: Recipe, graph: nnx.GraphDef, batch: Batch, state: State, phase: Phase) -> State:
    """Scale the centroids of the newest module so that its codes start at the remaining part of the target rate.

    If the rate started far above its target, the module would lose what it has learned. A further module starts with
    `FURTHER_MULTIPLIER` times the multiplier, because with the full one it stops sending information. The product of
    alpha and the median distance of centroids is that of evenly spaced levels from -1 to 1. The centroids of K-Net are
    initialised with the cluster centres of its codes (Kankanahalli 2018, 2.3).
    """
    c, index = r.system, phase.n_modules - 1

    @jax.jit
    def codes(params, batch):
        model, a = nnx.merge(graph, params), None
        if c.n_lsf:
            a = filters_of(c, quantise(model.lsf, batch["lsf"], None)[0])
        _, frames = analyse(c, start_encoder(c, batch["x"].shape[0]), batch["x"], a)
        return cascade(model, frames, phase.n_modules)[1][-1].z

    z = np.concatenate([np.asarray(codes(state.params, batch(i))).ravel() for i in range(START_BATCHES)])
    model = nnx.merge(graph, state.params)
    quantiser = model.modules[index].quantiser
    b = cluster_centres(z, c.n_centroids) if c.autoencoder.kind == "knet" else np.asarray(quantiser.centroids[...])
    left_bps = target_bps_at(r, phase, 0.0) - used_bps(c, state.control.tables, index)
    b = scale_centroids(b, z, max(LEAST_BITS, left_bps / (c.n_code * c.frames_per_second)))
    quantiser.centroids[...] = jnp.asarray(b, jnp.float32)
    even = 2 / (c.n_centroids - 1)
    quantiser.temperature[...] = jnp.float32(c.temperature * even / max(np.median(np.diff(b)), 1e-6))
    control = state.control
    if index:
        control = control._replace(log_tau=control.log_tau + math.log(FURTHER_MULTIPLIER), excess=jnp.float32(0))
    params = nnx.state(model, nnx.Param)
    return state._replace(params=params, control=control, masks=start_averages(params))


def setting_at(r: Recipe, phase: Phase, position: Position) -> Setting:
    """Return the learning rate, the state of the quantisers and the factor of the multiplier for the next step."""
    factor = jnp.float32(multiplier_factor_at(r, phase, position.done))
    scalars = {"relaxation": relaxation_at(r, phase, position.done), "multiplier_factor": factor}
    scalars |= {"target_bps": jnp.float32(target_bps_at(r, phase, position.done))}
    return Setting(jnp.float32(learning_rate(phase, position.done, position.steps / r.warmup_steps)), scalars)


def make_run(r: Recipe, graph: nnx.GraphDef, batch: Batch, sitting_minutes: float = math.inf) -> Run:
    """Return the functions that the training loop calls: objective, rate control, initialisation of a new quantiser."""

    def loss(model, phase, batch, control, setting, key):
        tau = setting.scalars["multiplier_factor"] * multiplier(control)
        value, found = objective(model, r, phase, batch, setting.scalars["relaxation"], tau, control.tables)
        return value, found

    def update_rate_control(control, phase, setting, parts, shares):
        target_bps, on = setting.scalars["target_bps"], setting.scalars["relaxation"].on
        pace = setting.scalars["multiplier_factor"] * setting.learning_rate
        return update_control(control, r.system, on, pace / phase.learning_rate, parts["bps"], target_bps, shares)

    def before_step(state, notes, phase, position):
        if notes["on"] or not relaxation_at(r, phase, position.done).on:
            return state, notes
        state = state if phase.joint else initialise_quantiser(r, graph, batch, state, phase)
        return state, notes | {"on": 1}

    return Run(
        graph=graph,
        phases=phases_of(r),
        batch=batch,
        setting=lambda phase, position: setting_at(r, phase, position),
        loss=loss,
        update_control=update_rate_control,
        budget=Budget(r.minutes, r.steps, time.monotonic if r.wall_clock else time.process_time, sitting_minutes),
        seed=r.seed,
        checkpoint_minutes=r.checkpoint_minutes,
        gradient_scale=equal_length,
        relative_rate=lambda path: relative_rate(r, path),
        before_step=before_step,
        after_step=lambda before, after: after._replace(masks=update_averages(after.masks, after.params)),
        phase_notes={"on": 0},
    )


def count_symbols(r: Recipe, graph: nnx.GraphDef, batch: Batch, params: nnx.State) -> dict[str, np.ndarray]:
    """Return the frequency tables of the hard symbols of some training batches."""
    c = r.system

    @jax.jit
    def coded(params, batch):
        start = start_encoder(c, batch["x"].shape[0])
        return encode(nnx.merge(graph, params), start, batch["x"], batch.get("lsf"))[1]

    s = [np.asarray(coded(params, batch(i))) for i in range(COUNT_BATCHES)]
    return frequency_tables(np.concatenate(s).reshape(-1, s[0].shape[-1]), c)


def train(r: Recipe, workdir: Path, quiet: bool = False, sitting_minutes: float = math.inf) -> Path:
    """Train a published system and return the path of its weights file.

    Parameters
    ----------
    r : Recipe
    workdir : Path
        Created if missing. If it contains a checkpoint, the run resumes; with `steps` the result is the same as without
        interruption.
    quiet : bool
        Show no progress bar.
    sitting_minutes : float
        End after so much of the recipe's time, in the middle of the run; the next call continues.

    Raises
    ------
    ValueError
        If the corpus cannot be used.
    """
    c = r.system
    clips = [clip for clip in open_corpus(Path(r.data)) if clip.split == "train"]
    spec = FrameSpec()  # the crops are those of our own codec's training
    seconds = max(CROP_S, spec.ms((r.frames + 3) * c.spec.hop) / 1000)
    batches = Batches(build_shards(clips, cache_folder() / "shards", spec), r.batch, seconds, r.seed)

    def batch(i: int) -> dict:
        return prepare(batches.batch(i)["x"], c, r.frames)

    graph, params = nnx.split(initial_model(r, [batch(i) for i in range(START_BATCHES)]), nnx.Param)
    run, control = make_run(r, graph, batch, sitting_minutes), start_control(c, r.tau)
    state, notes = loop.train(run, Path(workdir), r.as_dict(), params, control, start_averages(params), quiet)
    means, _ = state.masks
    path = Path(workdir) / "weights.safetensors"
    notes |= {"bitrate_bps": r.bitrate_bps, "frames": notes["step"] * r.batch * r.frames}
    save_system(path, means, count_symbols(r, graph, batch, means), c, notes)
    return path
