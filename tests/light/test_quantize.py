"""Quantisers in NumPy against those in Flax."""

import numpy as np

from lpcnet_cq.light.quantize import TransformQuantiser, latent_steps
from lpcnet_cq.nn import quantize


def test_transform_quantiser_is_that_of_flax(normal):
    mean, basis = normal(6), normal(6, 6) + 3 * np.eye(6, dtype=np.float32)
    judge = quantize.TransformQuantiser(mean, basis, 0.1)
    found = TransformQuantiser({"mean": mean, "basis": np.asarray(judge.basis[...])}, 0.1)
    w = 5 * normal(40, 6)
    n = found.quantise(w)
    np.testing.assert_array_equal(n, np.rint(judge.analyse(w)))
    np.testing.assert_allclose(found.synthesise(n), judge.synthesise(np.float32(n)), rtol=1e-5, atol=1e-5)


def test_codewords_quantise_to_themselves(normal):
    found = TransformQuantiser({"mean": normal(4), "basis": normal(4, 4) + 3 * np.eye(4)}, 1.0)
    n = np.rint(9 * normal(30, 4))
    np.testing.assert_array_equal(found.quantise(found.synthesise(n)), n)


def test_step_sizes_are_those_of_flax():
    np.testing.assert_allclose(latent_steps(17, 3 ** (1 / 8)), quantize.latent_steps(17, 3 ** (1 / 8)), rtol=1e-6)
