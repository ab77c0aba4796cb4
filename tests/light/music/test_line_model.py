"""The entropy model of lines in NumPy against the model that JAX compiles: the same integers."""

import numpy as np
import pytest

from lpcnet_cq.light.music.line_model import CHUNK, LightLineModel
from lpcnet_cq.music.freeze import freeze
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec
T = 2 * CHUNK + 3


@pytest.fixture(scope="module")
def models(perturbed):
    integers = freeze(perturbed[1], C)
    return LineModel(integers, C), LightLineModel(integers, C)


@pytest.mark.parametrize(("level", "loudest"), [(9, 4), (300, 16000)])
def test_sums_are_those_of_the_model(models, level, loudest):
    """With blocks of both types, and with integers beyond every limit."""
    model, random = models[0], np.random.default_rng(4)
    sides = random.integers(-level, level, (T + 2, model.K))
    sides[:, 0] = random.integers(-1, 3, T + 2)
    vectors = random.integers(-loudest, loudest, (model.context + 2 * T, model.D))
    vectors[random.random(vectors.shape) < 0.5] = 0
    before, n = np.stack([sides[:-2], sides[1:-1]], axis=1), vectors[model.context :].reshape(T, 2, -1)
    step, known = random.integers(0, C.n_steps, T), np.full(T, 2)
    expected, found = (m.latents(m.run_context(before, sides[2:], step, known), vectors, n) for m in models)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.int64
        np.testing.assert_array_equal(ours, theirs)


def test_exponents_are_those_of_the_model(models):
    side = np.random.default_rng(5).integers(-40, 40, (3, T, models[0].K))
    for v in (side, side[:, 0], side[0, 0], side[:0]):
        np.testing.assert_array_equal(models[1].exponents(v), models[0].exponents(v))


def test_no_packets(models):
    """As for a file without samples."""
    model = models[1]
    empty = [
        np.zeros(shape, np.int64) for shape in ((0, 2, model.K), (0, model.K), 0, 0, (4, model.D), (0, 2, model.D))
    ]
    found = model.latents(model.run_context(*empty[:4]), *empty[4:])
    assert [v.shape for v in found] == [(0, 2, model.D)] * 2
