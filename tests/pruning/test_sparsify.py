"""The transformation: every method ends at its sparsity, keeps zeros at zero, and CSP finds what is sparse."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from lpcnet_cq.checkpoint.training_files import load_checkpoint, save_checkpoint
from lpcnet_cq.checkpoint.weight_groups import CHANNELS, UNSTRUCTURED, Pattern, to_groups
from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.nn.layers import CausalConv
from lpcnet_cq.pruning.recovery import second_moment
from lpcnet_cq.pruning.schedule import Schedule, is_event, target_sparsity
from lpcnet_cq.pruning.sparsify import methods, sparsify, sparsity
from lpcnet_cq.training.optimiser import make_optimiser

SCHEDULE = Schedule(begin=3, end=17, every=5, final=0.7)
STEPS = 22
SHAPES = {"conv": {"kernel": (2, 4, 8), "bias": (8,)}, "dense": (12, 16)}


def draw(seed):
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda s: jnp.asarray(random.standard_normal(s), jnp.float32), SHAPES, is_leaf=lambda s: isinstance(s, tuple)
    )


def run(optimiser, steps, moments=None):
    """Follow random gradients; return parameters and state after every step."""

    @jax.jit
    def step(params, state, gradient):
        updates, state = optimiser.update(gradient, state, params, moments=moments)
        return optax.apply_updates(params, updates), state

    params = draw(0)
    state, history = optimiser.init(params), []
    for i in range(steps):
        params, state = step(params, state, draw(i + 1))
        history.append((params, state[-1]))
    return history


@pytest.fixture(scope="module", params=list(methods(SCHEDULE)))
def history(request):
    return request.param, run(optax.chain(optax.sgd(0.1), sparsify(request.param, SCHEDULE)), STEPS)


def test_every_method_ends_at_its_sparsity(history):
    params, state = history[1][-1]
    found = sparsity(state)
    for name, weights in (("conv/kernel", params["conv"]["kernel"]), ("dense", params["dense"])):
        pruned = round(0.7 * weights.size)
        assert found[name] == pytest.approx(pruned / weights.size)
        assert np.sum(weights == 0) == pruned
    assert found.keys() == {"conv/kernel", "dense"} and np.all(params["conv"]["bias"] != 0)


def test_what_is_pruned_stays_pruned(history):
    method, states = history
    first = SCHEDULE.end if method == "iht" else 1  # its zeros may come back until then
    for t, ((_, old), (params, new)) in enumerate(pairwise(states[first - 1 :]), start=first):
        for name, weights in (("conv/kernel", params["conv"]["kernel"]), ("dense", params["dense"])):
            assert not np.any(new.masks[name] & ~old.masks[name]), t
            assert not np.any(np.asarray(weights)[~np.asarray(new.masks[name])]), t


def test_masks_follow_each_methods_schedule(history):
    method, states = history
    events = methods(SCHEDULE)[method].events
    expected = 0.0
    for t, (_, state) in enumerate(states):
        if is_event(events, t):
            expected = round(192 * float(target_sparsity(events, t))) / 192
        assert sparsity(state)["dense"] == pytest.approx(expected), t


def test_hard_thresholding_lets_weights_come_back():
    states = run(optax.chain(optax.sgd(1.0), sparsify("iht", SCHEDULE)), STEPS)
    first, last = states[3][1].masks["dense"], states[-1][1].masks["dense"]
    assert np.sum(first) == np.sum(last) and np.any(last & ~first)


def test_error_is_the_share_of_energy_pruned():
    (params, _), (_, state) = run(optax.chain(optax.sgd(0.1), sparsify("one-shot", Schedule(1, 1))), 2)
    before = np.asarray(params["dense"] - 0.1 * draw(2)["dense"])
    pruned = before[~np.asarray(state.masks["dense"])]
    assert state.error["dense"] == pytest.approx(np.sum(pruned**2) / np.sum(before**2), rel=1e-4)


@pytest.mark.parametrize("pattern", [Pattern(1, 8), Pattern(4, 4), CHANNELS])
def test_structures_are_whole(pattern):
    params, state = run(optax.chain(optax.sgd(0.1), sparsify("csp", SCHEDULE, pattern=pattern)), STEPS)[-1]
    for name, weights in (("conv/kernel", params["conv"]["kernel"]), ("dense", params["dense"])):
        alive = np.asarray(to_groups(weights, pattern)) != 0
        assert np.all(alive.all(axis=1) | ~alive.any(axis=1))
        assert np.sum(~alive.any(axis=1)) == round(0.7 * len(alive))
        np.testing.assert_array_equal(weights != 0, state.masks[name])


def test_compiled_and_plain_agree():
    x = jnp.float32(np.random.default_rng(9).standard_normal((1, 100, 12)))
    csp = sparsify("csp", Schedule(0, 0, final=0.5), which=lambda name, _: name == "dense")
    arguments = {
        "updates": draw(1),
        "state": csp.init(draw(0)),
        "params": draw(0),
        "moments": {"dense": second_moment(x)},
    }
    plain, compiled = csp.update(**arguments), jax.jit(csp.update)(**arguments)
    assert sparsity(plain[1]) == {"dense": 0.5} and 0 < plain[1].error["dense"] < 0.5
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), compiled, plain)


def test_proximal_steps_solve_the_lasso():
    """At the fixed point of orthonormal inputs: soft thresholding of the solution by lambda."""
    best, rate, shrink = draw(1), 0.5, 0.05
    optimiser = optax.chain(optax.sgd(rate), sparsify("l1", Schedule(0, 100), shrink=shrink))
    params, state = draw(0), optimiser.init(draw(0))
    update = jax.jit(optimiser.update)
    for _ in range(80):
        gradient = jax.tree.map(lambda p, b: p - b, params, best)
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    w, b = np.asarray(params["dense"]), np.asarray(best["dense"])
    threshold = shrink * np.sqrt(np.mean((w + rate * (b - w)) ** 2)) / rate
    np.testing.assert_allclose(w, np.sign(b) * np.maximum(np.abs(b) - threshold, 0), atol=1e-3)
    np.testing.assert_allclose(params["conv"]["bias"], best["conv"]["bias"], atol=1e-5)


def test_csp_shrinks_in_the_later_half_between_prunings():
    optimiser = sparsify("csp", Schedule(4, 12, 4, 0.5), shrink=0.1)
    state, params, shrunk = optimiser.init(draw(0)), draw(0), []
    update = jax.jit(optimiser.update)
    for _ in range(15):
        updates, state = update(jax.tree.map(jnp.zeros_like, params), state, params)
        alive = state.masks["dense"]
        shrunk.append(bool(np.any(np.where(alive, updates["dense"], 0) != 0)))
        params = optax.apply_updates(params, updates)
    assert np.flatnonzero(shrunk).tolist() == [6, 7, 10, 11]


def least_squares_runs(method, seeds=8):
    """Train y = X W from nothing, W sparse, inputs correlated; return weights, W and their covariance."""
    n_in, n_out, rows = 40, 8, 200
    cov = 0.9 ** np.abs(np.subtract.outer(np.arange(n_in), np.arange(n_in)))
    optimiser = optax.chain(optax.adam(0.02), sparsify(method, Schedule(150, 350, 25, 0.8)))

    def problem(seed):
        random = np.random.default_rng(seed)
        X, W = random.standard_normal((rows, n_in)) @ np.linalg.cholesky(cov).T, np.zeros((n_in, n_out))
        W.flat[random.permutation(W.size)[:64]] = random.choice([-1, 1], 64) * random.uniform(0.5, 1.5, 64)
        return np.float32(X), np.float32(X @ W + 0.1 * np.std(X @ W) * random.standard_normal((rows, n_out))), W

    X, Y, W = (np.stack(a) for a in zip(*map(problem, range(seeds)), strict=True))

    def train(x, y):
        moments = {"": second_moment(x[None])}

        def step(carry, _):
            w, state = carry
            updates, state = optimiser.update(x.T @ (x @ w - y) / rows, state, w, moments=moments)
            return (w + updates, state), None

        w = jnp.zeros((n_in, n_out))
        return jax.lax.scan(step, (w, optimiser.init(w)), None, length=500)[0][0]

    return np.asarray(jax.jit(jax.vmap(train))(X, Y), np.float64), W, cov


def test_csp_recovers_a_sparse_truth_where_magnitude_does_not():
    error, hits = {}, {}
    for method in ("csp", "gradual", "one-shot"):
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            found, W, cov = least_squares_runs(method)
        D = found - W
        error[method] = np.einsum("sio,ij,sjo->s", D, cov, D) / np.einsum("sio,ij,sjo->s", W, cov, W)
        hits[method] = np.mean((found != 0) & (W != 0)) / np.mean(W != 0)
    assert np.all(error["csp"] < 0.5 * error["one-shot"])
    assert np.mean(np.log(error["csp"])) < np.mean(np.log(error["gradual"]))
    assert hits["csp"] > 0.99 > hits["one-shot"]


def test_it_follows_our_optimiser_on_flax_parameters(tmp_path):
    graph, params = nnx.split(CausalConv(4, 8, 3, rngs=nnx.Rngs(0)), nnx.Param)
    optimiser = optax.chain(make_optimiser(), optax.scale(0.01), sparsify("gradual", Schedule(0, 2, 1, 0.5)))
    state, x = optimiser.init(params), jnp.ones((1, 6, 4))

    @jax.jit
    def step(params, state):
        def loss(p):
            conv = nnx.merge(graph, p)
            return jnp.sum(conv(conv.start(1), x)[1] ** 2)

        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, state = optimiser.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(4):
        params, state = step(params, state)
    named = flatten(nnx.to_pure_dict(params))
    assert sparsity(state[-1]) == {"kernel": 0.5}  # named as in a weights file
    np.testing.assert_array_equal(named["kernel"] != 0, state[-1].masks["kernel"])
    save_checkpoint(tmp_path / "c.safetensors", state[-1], {})
    back, _ = load_checkpoint(tmp_path / "c.safetensors", state[-1])
    np.testing.assert_array_equal(back.masks["kernel"], state[-1].masks["kernel"])
    assert back.step == 4


def test_impossible_wishes_are_refused():
    params = draw(0)
    with pytest.raises(ValueError, match="`method` is 'magic', it must be one of one-shot, gradual, l1, iht, csp"):
        sparsify("magic", SCHEDULE)
    with pytest.raises(ValueError, match="`which` selects no leaf"):
        sparsify("csp", SCHEDULE, which=lambda name, value: False).init(params)
    with pytest.raises(ValueError, match="it must tile `conv/kernel`"):
        sparsify("csp", SCHEDULE, pattern=Pattern(3, 3)).init(params)
    csp = sparsify("csp", SCHEDULE, pattern=UNSTRUCTURED)
    with pytest.raises(ValueError, match="`moments` has `conv/bias`"):
        csp.update(params, csp.init(params), params, moments={"conv/bias": jnp.eye(8)})
    with pytest.raises(ValueError, match="params"):
        csp.update(params, csp.init(params))
