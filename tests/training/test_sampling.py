"""Random draws of training data: generators depend on seed and step alone, probabilities on the sizes."""

import numpy as np

from lpcnet_cq.training.sampling import batch_generator, collection_probabilities


def test_every_seed_and_step_has_its_own_numbers():
    draws = {(seed, step): batch_generator(seed, step).random() for seed in (0, 1, 2**63 - 1) for step in range(20)}
    assert len(set(draws.values())) == 60
    assert all(batch_generator(*key).random() == value for key, value in draws.items())


def test_large_collections_have_less_than_their_share():
    sizes = np.array([1000, 100, 100])
    probabilities = collection_probabilities(sizes)
    np.testing.assert_allclose(probabilities.sum(), 1)
    np.testing.assert_allclose(probabilities[0] / probabilities[1], 10**0.75)
    np.testing.assert_allclose(probabilities, collection_probabilities(sizes / 16000), rtol=1e-12)
