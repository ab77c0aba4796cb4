"""Streams written by the releases of before decode to the integers of before and to the same sound.

`vectors/make.py` says what they are, and `make.py --check` encodes their inputs again.
"""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.registry import record_of

FOLDER = Path(__file__).parent / "vectors"
INDEX = json.loads((FOLDER / "index.json").read_text())


def backends_of(weights):
    """Return the backends of released weights."""
    return record_of(load_weights(find_weights(weights)).config).backends


BACKENDS = {weights: tuple(backends_of(weights)) for weights in {recipe["weights"] for recipe in INDEX.values()}}


@pytest.mark.parametrize(
    ("name", "backend"), [(name, backend) for name in INDEX for backend in BACKENDS[INDEX[name]["weights"]]]
)
def test_a_stream_decodes_as_before(name, backend, vector_maker):
    """Exactly the same integers, on every machine and with every backend; PCM within one step of 16 bits."""
    recipe, expected = INDEX[name], np.load(FOLDER / f"{name}.npz")
    live, data = recipe["mode"] == "live", vector_maker.stored(name)
    assert sha256(data).hexdigest() == recipe["sha256"] and len(data) == recipe["n_bytes"]
    found = vector_maker.decode(recipe, data, expected["sizes"] if live else [], backend)
    for key in () if live else ("step", "side", "latents"):
        np.testing.assert_array_equal(found[key], expected[key])
    assert found["pcm"].shape == expected["pcm"].shape
    np.testing.assert_allclose(found["pcm"].astype(int), expected["pcm"].astype(int), rtol=0, atol=1)


@pytest.mark.parametrize("name", [name for name in INDEX if "length" in name])
def test_headers_with_extension_give_the_exact_length(name, vector_maker):
    recipe = INDEX[name]
    assert vector_maker.stored(name)[5] == 36
    assert len(np.load(FOLDER / f"{name}.npz")["pcm"]) == round(recipe["seconds"] * recipe["sample_rate_hz"])


def test_vectors_cover_the_format():
    """All modes, layers, segments, losses, sample rates, no audio; and files that are in the index, and no others."""
    weights = {recipe["weights"] for recipe in INDEX.values()}
    assert weights == {"cq", "cq3", "cq-sparse", "audio"}
    assert {recipe["mode"] for recipe in INDEX.values()} == {"mean", "capped", "constant", "thinned", "live", "stream"}
    assert {path.stem for path in FOLDER.glob("*.npz")} == set(INDEX)
    assert {path.stem for path in FOLDER.glob("*.cq")} - {"audio"} <= set(INDEX)
