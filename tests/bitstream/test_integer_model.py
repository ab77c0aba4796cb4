"""The integer entropy model against the float one it was frozen from, and its tables against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import logistic

from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.fixed_point import activate, product
from lpcnet_cq.bitstream.frequency_tables import (
    HALF_WIDTH,
    LOG2_SCALE_MIN,
    N_SCALES,
    SCALES_PER_OCTAVE,
    TOTAL,
    frequency_tables,
    locate,
)
from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.bitstream.packet_reader import BUFFER_BYTES
from lpcnet_cq.bitstream.vector_reader import HEAD_BYTES
from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.nn.entropy import logistic_bits
from lpcnet_cq.nn.packet_reader import Memory, Reader
from lpcnet_cq.speech.freeze import freeze, thaw
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
S, D, K = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.order + CONFIG.spec.n_subframes
T = 150


def test_tables_are_complete():
    tables = frequency_tables()
    assert tables.shape == (N_SCALES, 16, 2 * HALF_WIDTH + 3)
    assert (tables[..., 0] == 0).all() and (tables[..., -1] == TOTAL).all()
    assert np.diff(tables, axis=-1).min() >= 1


@pytest.mark.parametrize(("s", "f"), [(20, 0), (32, 5), (45, 15)])
def test_table_is_the_logistic_distribution(s, f):
    frequency = np.diff(frequency_tables()[s, f])
    scale = 2 ** (LOG2_SCALE_MIN + s / SCALES_PER_OCTAVE)
    n = np.arange(-HALF_WIDTH, HALF_WIDTH + 1)
    p = logistic.cdf(n + 0.5, f / 16, scale) - logistic.cdf(n - 0.5, f / 16, scale)
    np.testing.assert_allclose(frequency[:-1] / TOTAL, p, atol=(len(n) + 2) / TOTAL)
    np.testing.assert_allclose(frequency[-1] / TOTAL, 1 - p.sum(), atol=2 / TOTAL)


def test_products_are_exact_integers():
    random = np.random.default_rng(1)
    u, w = random.integers(0, 2049, (5, 300)), random.integers(-(2**21), 2**21, (300, 7))
    np.testing.assert_array_equal(product(u, w.astype(np.float64)), u @ w)


def test_activation_rounds_and_clips():
    totals = np.array([-5, 2047, 2048, 6143, 6144, 1 << 40])
    np.testing.assert_array_equal(activate(totals), [0, 0, 1, 1, 2, 2048])


def test_location_splits_the_mean_and_clips_the_scale():
    one = 1 << 20
    s, fraction, floor = locate(np.array([-one // 4, 5 * one // 2, one - 1]), np.array([-one, 20 * one, 99 * one]))
    assert (s.tolist(), fraction.tolist(), floor.tolist()) == ([0, 20, 63], [12, 8, 0], [-1, 2, 1])


def draw(model, T):
    """Draw T packets from a model by reading random bytes; where each packet ends does not matter."""
    reader = Reader(model)
    data = np.zeros(BUFFER_BYTES + HEAD_BYTES, np.uint8)
    data[:BUFFER_BYTES] = np.random.default_rng(0).integers(0, 256, BUFFER_BYTES)
    past = packet.start(model)
    with jax.enable_x64(True):
        memory = Memory(np.int64(past.step), past.side, past.latents[None], np.int64(past.known))
        sizes = (np.int64(v) for v in (0, BUFFER_BYTES, 0, T))
        _, step, side, latents, ends, fault = jax.device_get(reader._read(memory, data, *sizes, T, 0))
    assert ends[-1, 0] < BUFFER_BYTES and set(fault) <= {0, 6}
    return packet.Integers(step, side, latents)


@pytest.fixture(scope="module")
def trained(random_entropy):
    return random_entropy


def test_integers_cost_what_the_float_model_says(trained):
    """On packets drawn from the model itself, within 0.5 %: side information and latents each."""
    model, values = trained
    integer = SubframeModel(freeze(values, CONFIG), CONFIG)
    n = draw(integer, T)
    ours = packet.n_bits(integer, packet.start(integer), n)[:, 1:]
    side, latents = (jnp.asarray(v, jnp.float32)[None] for v in (n.side, n.latents.reshape(-1, D)))
    zero = jnp.zeros((1, 2, K))

    @jax.jit
    def bits(side, latents, step):
        past = jnp.zeros((1, CONFIG.context, D))
        return (
            logistic_bits(side, *model.side(zero, side)),
            logistic_bits(latents, *model.latent(zero[:, 1:], side, step, past, latents)),
        )

    expected = bits(side, latents, jnp.asarray(n.step)[None])
    totals = ours[:, :K].sum(), ours[:, K:].sum()
    assert 1.5 < ours.mean() < 5
    for total, theirs in zip(totals, expected, strict=True):
        np.testing.assert_allclose(total, float(theirs.sum()), rtol=0.005)


def test_latents_in_floats_are_those_in_integers(trained):
    """The encoder's tables against those of the common model, large latents included."""
    integer, random = SubframeModel(freeze(trained[1], CONFIG), CONFIG), np.random.default_rng(4)
    before, side = random.integers(-40, 41, (6, 2, K)), random.integers(-40, 41, (6, K))
    vectors = random.integers(-3, 4, (CONFIG.context + 6 * S, D)) * random.integers(0, 9, (CONFIG.context + 6 * S, D))
    step, known = random.integers(0, CONFIG.n_steps, 6), np.array([0, 1, 2, 2, 2, 2])
    given, n = (before, side, step, known), vectors[CONFIG.context :].reshape(6, S, D)
    found = integer.latents(integer.run_context(*given), vectors, n)
    for ours, common in zip(found, IntegerModel.latents(integer, given, vectors, n), strict=True):
        np.testing.assert_array_equal(ours, common)


def test_thawed_integers_freeze_to_themselves(trained):
    """Weights exactly; sums to the 24 bits of a float."""
    frozen = freeze(trained[1], CONFIG)
    floats = thaw(frozen, CONFIG)
    assert flatten(floats).keys() == flatten(trained[1]).keys()
    again = freeze(floats, CONFIG)
    for name, value in frozen.items():
        sums = value.ndim == 1 or name.endswith("_bs") or "_tri_" in name
        slack = {"rtol": 2.0**-23, "atol": 2} if sums else {"rtol": 0}
        np.testing.assert_allclose(again[name], value, **slack, err_msg=name)
        assert again[name].dtype == value.dtype


def test_thawed_floats_are_the_trained_ones_rounded(trained):
    floats, expected = flatten(thaw(freeze(trained[1], CONFIG), CONFIG)), flatten(trained[1])
    for name in ("side/w1", "side/skip", "latent/wp", "latent/b3", "latent/triangular/scale"):
        value = np.triu(expected[name], 1) if "triangular" in name else expected[name]
        np.testing.assert_allclose(floats[name], value, atol=2.0**-9, err_msg=name)
