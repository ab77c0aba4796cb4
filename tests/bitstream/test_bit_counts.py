"""Bits by part: against the bytes that are really written."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.bit_counts import count_bits
from lpcnet_cq.bitstream.packet import Integers, put_layers
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.registry import record_of


@pytest.fixture(scope="module")
def model():
    weights = load_weights(find_weights("cq"))
    return record_of(weights.config).entropy_model(weights.integers, weights.config)


@pytest.mark.parametrize("L", [0, 1])
def test_parts_add_up_to_the_bytes_written(model, L):
    """Of the overhead 3 to 7 bits a packet and layer are for its end on a whole byte."""
    random = np.random.default_rng(1)
    T = 40
    latents = np.rint(random.laplace(0, 1, (T, model.S, model.D))).astype(int)
    n = Integers(np.full(T, 4), random.integers(-2, 3, (T, model.K)), latents)
    runs = [n[:15], n[15:]]
    packets = [layers for run in runs for layers in put_layers(model, None, run, L)[1]]
    n_bytes = sum(len(part) for layers in packets for part in layers)
    bits = count_bits(model, runs, L, n_bytes)
    assert list(bits) == ["step", "lsf", "gain", "latents", *(["layer 2"] if L else []), "overhead"]
    assert sum(bits.values()) == pytest.approx(8 * n_bytes, abs=0.5)
    assert 3 * T * (1 + L) < bits.pop("overhead") < 7 * T * (1 + L) and min(bits.values()) > 0


def test_of_nothing_all_is_overhead(model):
    assert count_bits(model, [], 0, 35) == {"step": 0, "lsf": 0, "gain": 0, "latents": 0, "overhead": 280}
