"""Collaborative Quantization as one model: its gradients, its streaming, its delay.

Networks are drawn at random, the smallest preset's; seven packets are enough for every window of the mel loss.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dsp.lsf import lsf_to_lpc as exact_lsf_to_lpc
from lpcnet_cq.nn.noise import uniform_noise
from lpcnet_cq.nn.quantize import soft_to_hard
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.envelope import interpolate_lsf, lsf_to_lpc
from lpcnet_cq.training.losses import mel_loss, weighted_nsr
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
SPEC, M, S, D = CONFIG.spec, CONFIG.order, CONFIG.spec.n_subframes, CONFIG.n_latents
T = 7
N = T * SPEC.hop
LAG = CONFIG.decoder_delay


pytestmark = pytest.mark.usefixtures("little_memory")


@pytest.fixture(scope="module")
def net(speech_model):
    """Return the graph of the tiny model and its parameters."""
    return speech_model


@pytest.fixture(scope="module")
def speech():
    """Return something voiced (1, N + look_ahead), LSF vectors (1, T, M), and integers that fit a packet's places."""
    random = np.random.default_rng(1)
    time = np.arange(N + SPEC.look_ahead) / SPEC.sample_rate_hz
    x = 0.1 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 1100 * time) + 0.01 * random.standard_normal(
        time.size
    )
    lsf = np.linspace(0, np.pi, M + 2)[1:-1] + 0.05 * random.standard_normal((1, T, M))
    n = {
        "lsf": jnp.asarray(random.integers(-1, 2, (1, T, M)), jnp.float32),
        "gain": jnp.asarray(random.integers(-2, 3, (1, T, S)), jnp.float32),
        "latents": jnp.asarray(random.integers(-2, 3, (1, T * S, D)), jnp.float32),
        "step": jnp.asarray(random.integers(0, CONFIG.n_steps, (1, T))),
    }
    return jnp.asarray(x, jnp.float32)[None], jnp.asarray(np.sort(lsf), jnp.float32), n


@pytest.fixture(scope="module")
def run(net):
    """Return jitted `encode(params, state, x, lsf, hardness)` and `decode(params, state, integers)`."""
    graph, _ = net

    def encode(params, state, x, lsf, hardness):
        model = nnx.merge(graph, params)
        state, side = cq.encode_side(model, state, x[:, : -SPEC.look_ahead], lsf, hardness)
        state, z = cq.encode_latents(model, state, side, x[:, SPEC.look_ahead :])
        return state, {"lsf": side["lsf"], "gain": side["gain"], "latents": z}

    def decode(params, state, n):
        return cq.decode(nnx.merge(graph, params), state, n["lsf"], n["gain"], n["latents"], n["step"])

    return jax.jit(encode), jax.jit(decode)


@pytest.fixture(scope="module")
def start(net):
    graph, params = net
    model = nnx.merge(graph, params)
    return cq.start_encoder(model, 1), cq.start_decoder(model, 1)


def packets(n, a, b):
    """Return packets a to b - 1 of integers."""
    return {k: v[:, a * S : b * S] if k == "latents" else v[:, a:b] for k, v in n.items()}


def waveform_loss(x, y, a):
    """Return what training minimises, rate apart, on speech and decoded speech (1, N) that lags."""
    y, x = y[:, LAG:], x[:, : N - LAG]
    segments = x.shape[1] // SPEC.hop * SPEC.hop
    nsr = weighted_nsr(x[:, :segments], y[:, :segments], a[:, : segments // SPEC.subframe], SPEC.hop)
    return mel_loss(x, y, SPEC.sample_rate_hz) + nsr


# ------------------------------------------------------------------------------------------------ collaboration


@pytest.fixture
def wide(net, speech, monkeypatch):
    """Return parameters, speech and LSF in double precision, in which finite differences are sharp."""
    monkeypatch.setattr(cq, "uniform_noise", lambda *a: uniform_noise(*a).astype(jnp.float64))
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield jax.tree.map(lambda v: v.astype(jnp.float64), (net[1], *speech[:2]))


def directions(params, blocks):
    """Yield one random direction of unit length for each named parameter."""
    random = np.random.default_rng(2)
    for block, name in blocks:
        d = random.standard_normal(params[block][name].shape)
        yield block, name, d / np.linalg.norm(d)


def slope(f, params, block, name, direction, h=1e-7):
    """Measure the slope of f along a direction of one parameter."""
    values = []
    for sign in (1, -1):
        moved = jax.tree.map(lambda p: p, params)
        moved[block][name][...] = params[block][name][...] + sign * h * direction
        values.append(float(f(moved)[0]))
    return (values[0] - values[1]) / (2 * h)


QUANTISERS = [("lsf", "basis"), ("lsf", "mean"), ("gain", "basis"), ("gain", "mean")]


def test_waveform_loss_reaches_the_codebooks(net, speech, wide):
    """The promise of collaboration: decoded speech is a function of the LSF codebook, and its loss has that slope.

    The integers are held fixed; the gradient comes back through the synthesis filter's own adjoint.
    """
    params, x, lsf = wide
    n = jax.tree.map(lambda v: v.astype(jnp.float64), {k: v for k, v in speech[2].items() if k != "step"})
    plain = lsf_to_lpc(interpolate_lsf(lsf[:, 0], lsf, SPEC))

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        model = nnx.merge(net[0], params)
        _, y = cq.decode(model, cq.start_decoder(model, 1), n["lsf"], n["gain"], n["latents"], speech[2]["step"])
        return waveform_loss(x[:, :N], y, plain)

    gradient = loss(params)[1]
    for block, name, direction in directions(params, QUANTISERS):
        g = np.asarray(gradient[block][name][...])
        assert np.linalg.norm(g) > 0.01, (block, name)
        measured = slope(loss, params, block, name, direction)
        np.testing.assert_allclose(np.sum(g * direction), measured, rtol=1e-4, atol=1e-5, err_msg=f"{block} {name}")


def test_gradient_through_encoder_and_decoder(net, wide):
    """Unrounded, the chain is an honest function, which undoes in synthesis what the basis does in analysis.

    Rounded, everything but the entropy model (which learns from the rate) learns from the waveform.
    """
    params, x, lsf = wide
    plain = lsf_to_lpc(interpolate_lsf(lsf[:, 0], lsf, SPEC))

    @jax.jit
    @jax.value_and_grad
    def loss(params, hardness):
        model = nnx.merge(net[0], params)
        state, side = cq.encode_side(model, cq.start_encoder(model, 1), x[:, :N], lsf, hardness)
        _, z = cq.encode_latents(model, state, side, x[:, SPEC.look_ahead :])
        n, step = soft_to_hard(z, hardness), jnp.full((1, T), CONFIG.nominal_step)
        _, y = cq.decode(model, cq.start_decoder(model, 1), side["lsf"], side["gain"], n, step)
        return waveform_loss(x[:, :N], y, plain)

    soft, hard = loss(params, 0.0)[1], loss(params, 1.0)[1]
    for block, name, direction in directions(params, QUANTISERS):
        measured = slope(lambda p: loss(p, 0.0), params, block, name, direction)
        np.testing.assert_allclose(
            np.sum(soft[block][name][...] * direction), measured, rtol=1e-4, atol=1e-5, err_msg=f"{block} {name}"
        )
    for block in ("lsf", "gain"):
        transparent, quantised = (np.linalg.norm(g[block]["basis"][...]) for g in (soft, hard))
        assert quantised > 1e-3 and transparent < 1e-6 * quantised
    awake = jax.tree.map(lambda p: p, params)  # allocation and postfilter start from zeros, which hide what is before
    for silent in (awake["allocation"]["w2"], awake["postfilter"]["gains"]["kernel"]):
        silent[...] = 0.01 * jax.random.normal(jax.random.key(1), silent.shape, silent.dtype)
    learned = nnx.to_pure_dict(loss(awake, 1.0)[1])
    del learned["entropy"]
    for path, g in jax.tree_util.tree_leaves_with_path(learned):
        assert np.isfinite(g).all() and np.abs(g).max() > 0, jax.tree_util.keystr(path)


# ------------------------------------------------------------------------------------------------ state and delay


def test_packets_one_by_one_are_the_whole_signal_encoded(net, speech, run, start):
    """Without rounding, which would hide small differences and blow up others."""
    (encode, _), (_, params), (x, lsf, _) = run, net, speech
    _, whole = encode(params, start[0], x, lsf, 0.0)
    state, parts = start[0], []
    for t in range(T):
        piece = x[:, t * SPEC.hop : (t + 1) * SPEC.hop + SPEC.look_ahead]
        state, n = encode(params, state, piece, lsf[:, t : t + 1], 0.0)
        parts.append(n)
    for key, expected in whole.items():
        np.testing.assert_allclose(np.concatenate([p[key] for p in parts], axis=1), expected, atol=2e-3)


def test_packets_one_by_one_are_the_whole_signal_decoded(net, speech, run, start):
    (_, decode), (_, params), (_, _, n) = run, net, speech
    final, whole = decode(params, start[1], n)
    state, parts = start[1], []
    for t in range(T):
        state, y = decode(params, state, packets(n, t, t + 1))
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-4 * np.abs(whole).max())
    assert int(state["position"]) == int(final["position"]) == N // CONFIG.step


def test_one_packet_has_filters_and_scales_of_many(net):
    """Resonances as sharp as they may be amplify rounding of single precision to per cents of a scale.

    Judge of the filters: `dsp`, in double precision.
    """
    wide = cq.Model(CONFIG, rngs=nnx.Rngs(0), wide=True)
    random = np.random.default_rng(7)
    pairs = np.sort(random.uniform(0.05, 3.0, (1, 20, M // 2))).repeat(2, axis=2)
    lsf = jnp.asarray(pairs + np.tile([0.0, 0.016], M // 2), jnp.float32)

    @jax.jit
    def envelope(before, lsf):
        found, sub, a, scale = cq.decode_envelope(wide, before, lsf)
        assert a.dtype == jnp.float64
        return found, sub, a.astype("float32"), scale

    whole = envelope(lsf[:, 0], lsf)
    for t in range(1, 20):
        one = envelope(whole[0][:, t - 1], lsf[:, t : t + 1])
        for found, expected in zip(one[1:], whole[1:], strict=True):
            np.testing.assert_allclose(found, expected[:, t * S : (t + 1) * S], rtol=1e-5, atol=1e-6)
    exact = exact_lsf_to_lpc(np.float64(whole[1][0]))
    np.testing.assert_allclose(whole[2][0], [np.convolve(a, [1, -PREEMPHASIS]) for a in exact], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("t", [0, 2, 5])
def test_packet_ends_its_look_ahead_where_it_says(net, speech, run, start, t):
    """Samples behind it change later packets only; its last sample changes the packet."""
    (encode, _), (_, params), (x, lsf, _) = run, net, speech
    end = (t + 1) * SPEC.hop + SPEC.look_ahead
    before = encode(params, start[0], x, lsf, 0.0)[1]
    behind = encode(params, start[0], x.at[:, end:].add(0.1), lsf, 0.0)[1]
    within = encode(params, start[0], x.at[:, end - 1 :].add(0.1), lsf, 0.0)[1]
    for key, n in packets(before, 0, t + 1).items():
        np.testing.assert_array_equal(packets(behind, 0, t + 1)[key], n)
    assert (packets(within, t, t + 1)["latents"] != packets(before, t, t + 1)["latents"]).any()
    assert (packets(behind, t + 1, T)["latents"] != packets(before, t + 1, T)["latents"]).any()


def test_algorithmic_delay_is_measured(net, speech, run, start):
    """The last input sample of a packet first shows 512 samples earlier in the output, put back in time by its lag."""
    (encode, decode), (_, params), (x, lsf, n) = run, net, speech
    t = 3
    last = (t + 1) * SPEC.hop + SPEC.look_ahead - 1

    def chain(x):
        z = encode(params, start[0], x, lsf, 0.0)[1]
        return np.asarray(decode(params, start[1], z | {"step": n["step"]})[1])[0, LAG:]

    changed = np.flatnonzero(chain(x.at[:, last].add(0.1)) != chain(x))
    assert last - changed[0] + 1 == CONFIG.delay == 512


def test_decoder_has_no_way_of_knowing_later_packets(net, speech, run, start):
    (_, decode), (_, params), (_, _, n) = run, net, speech
    other = n | {"latents": n["latents"].at[:, 4 * S :].add(1), "lsf": n["lsf"].at[:, 4:].add(1)}
    before, after = decode(params, start[1], n)[1], decode(params, start[1], other)[1]
    np.testing.assert_array_equal(before[:, : 4 * SPEC.hop], after[:, : 4 * SPEC.hop])
    assert before[0, 4 * SPEC.hop] != after[0, 4 * SPEC.hop]


# ------------------------------------------------------------------------------------------------ robustness


def test_silence_encodes_to_finite_integers(net, run, start):
    encode, _ = run
    _, n = encode(net[1], start[0], jnp.zeros((1, N + SPEC.look_ahead)), jnp.zeros((1, T, M)), 1.0)
    for values in n.values():
        assert np.isfinite(values).all()
    np.testing.assert_array_equal(n["gain"], np.round(n["gain"]))
