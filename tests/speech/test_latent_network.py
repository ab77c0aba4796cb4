"""The network of latents in floats against the common model in integers: the same sums, one vector at a time."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.frequency_tables import expected
from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.bitstream.vector_sums import rounded_down
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.speech.latent_network import EXACT, _exact


@pytest.fixture(scope="module", params=["cq", "cq3"])
def model(request):
    _, integers, config, _, _ = load_weights(find_weights(request.param))
    return SubframeModel(integers, config)


@pytest.mark.parametrize("most", [2, 60])
def test_tables_and_sums_are_those_of_integers(model, most):
    """With and without a reset, and with integers beyond the limits of contexts."""
    random, T, S, D = np.random.default_rng(most), 6, model.S, model.D
    before, side = random.integers(-most, most, (T, 2, model.K)), random.integers(-most, most, (T, model.K))
    given = before, side, random.integers(0, model.n_steps, T), np.array([0, 1, 2, 2, 0, 2])
    vectors = random.integers(-most, most, (model.context + T * S, D))
    n = vectors[model.context :].reshape(T, S, D)
    found = model.latents(model.run_context(*given), vectors, n)
    np.testing.assert_array_equal(found, IntegerModel.latents(model, given, vectors, n))
    window = model.windows(vectors, n)
    context = model.packet_context(*given)
    for t in range(T):
        first = model.read_context(before[t], side[t], given[2][t], given[3][t])
        for i in range(S):
            sums = np.stack(model.latent(context[t, i], window[t, i]))
            np.testing.assert_array_equal(model._network.of_zeros(first[i], window[t, i]), rounded_down(sums))
            table, floor = expected(*sums)
            np.testing.assert_array_equal((found.table[t, i, 0], found.floor[t, i, 0]), (table[0], floor[0]))


@pytest.mark.parametrize("kind", EXACT)
def test_weights_have_the_narrowest_exact_type(kind):
    limit = EXACT[kind] // 8
    assert _exact(np.full((4, 2), limit // 4 - 1.0), 7).dtype == kind


def test_single_precision_holds_the_first_layer(model):
    """Of released weights."""
    assert model._network._wy.dtype == np.float32
