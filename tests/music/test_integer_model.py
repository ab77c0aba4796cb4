"""The integer model for lines: against the float one it was frozen from, and reading what was written."""

import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.bitstream import packet
from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.music.freeze import freeze, thaw
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.model import exponents
from lpcnet_cq.nn.packet_reader import Reader
from lpcnet_cq.training.music_objective import line_bits
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec
b, T = C.bands, 6


@pytest.fixture(scope="module")
def model(perturbed):
    """Return a float model and its integers."""
    floats, values = perturbed
    return floats, LineModel(freeze(values, C), C)


@pytest.fixture(scope="module")
def coded():
    """Return packets that resemble coded music: levels that move slowly, lines that fall off, some short blocks."""
    random = np.random.default_rng(2)
    side = np.concatenate([np.zeros((T, 1)), np.cumsum(random.integers(-1, 2, (T, 3 * b)), axis=0)], axis=1)
    side[2:4, 0] = 1
    spectrum = 30 * np.exp(-np.arange(C.n_latents) / 40)
    lines = np.rint(random.laplace(0, spectrum, (T, 2, C.n_latents)))
    step = np.array([8, 8, 9, 9, 8, 7])
    return packet.Integers(step, side.astype(np.int64), lines.astype(np.int64))


def test_steps_are_those_of_the_float_model(model, coded):
    """Rounding of weights to 12 bits may move an exponent that lies between two integers."""
    floats, integers = model
    theirs = np.asarray(exponents(floats, jnp.asarray(coded.side, jnp.float32)))
    ours = integers.exponents(coded.side)
    assert np.abs(ours - theirs).max() <= 1 and (ours == theirs).mean() > 0.9


def test_lines_cost_what_the_float_model_says(model, coded):
    floats, integers = model
    ours = packet.n_bits(integers, packet.start(integers), coded)[:, 1 + integers.K :]
    side, lines = (jnp.asarray(v, jnp.float32)[None] for v in (coded.side, coded.latents))
    theirs = np.asarray(line_bits(floats, side, lines, jnp.asarray(coded.step, jnp.int32)[None]))[0]
    within = theirs.reshape(T, -1) < 10  # floats stop at 2^-15, tables at 2^-16
    np.testing.assert_allclose(ours[within].sum(), theirs.reshape(T, -1)[within].sum(), rtol=0.01)


def test_what_is_written_is_read(model, coded):
    _, integers = model
    _, data = packet.put_packets(integers, None, coded)
    _, read, ends = Reader(integers).read(None, b"".join(data), 0, T, T)
    for name in ("step", "side", "latents"):
        np.testing.assert_array_equal(getattr(read, name), getattr(coded, name))
    np.testing.assert_array_equal(ends[:, 0], np.cumsum([len(d) for d in data]))
    bits = packet.n_bits(integers, None, coded).sum()
    assert 8 * len(b"".join(data)) == pytest.approx(bits, abs=12 * T)


def test_wild_integers_are_read_as_well(model):
    """Energies beyond any level, flags that are no flags, lines that need escapes: a stream may hold them."""
    _, integers = model
    random = np.random.default_rng(3)
    side = random.integers(-300, 300, (3, integers.K))
    lines = random.integers(-2, 3, (3, 2, C.n_latents)) * random.choice([1, 5, 3000], (3, 2, C.n_latents))
    n = packet.Integers(np.array([0, 16, 3]), side, lines)
    _, data = packet.put_packets(integers, None, n)
    _, read, _ = Reader(integers).read(None, b"".join(data), 0, 3, 3)
    np.testing.assert_array_equal(read.side, side)
    np.testing.assert_array_equal(read.latents, lines)


def test_damage_is_an_error(model, coded):
    _, integers = model
    _, data = packet.put_packets(integers, None, coded)
    data = b"".join(data)
    reader = Reader(integers)
    with pytest.raises(BitstreamError):
        reader.read(None, data[:-3], 0, T, T)
    with pytest.raises(BitstreamError, match="not known"):
        second = packet.put_packets(integers, packet.start(integers), coded[:1])[1][0]
        reader.read(None, second, 0, 1, T)


def test_thawed_integers_freeze_to_themselves(perturbed):
    """Weights exactly; sums to the 24 bits of a float."""
    _, values = perturbed
    frozen = freeze(values, C)
    entropy = thaw(frozen, C)
    assert flatten(entropy).keys() == flatten(values["entropy"]).keys()
    again = freeze(values | {"entropy": entropy}, C)
    for name, value in frozen.items():
        sums = value.ndim == 1 or name.endswith("_bs") or "_tri_" in name
        slack = {"rtol": 2.0**-23, "atol": 2} if sums else {"rtol": 0}
        np.testing.assert_allclose(again[name], value, **slack, err_msg=name)
