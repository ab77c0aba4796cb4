"""Conformance vectors of speech: the integers decode to their PCM within one step of 16 bits."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.light.speech.signal_model import LightSpeechModel
from lpcnet_cq.speech.integer_model import SubframeModel

FOLDER = Path(__file__).parents[2] / "vectors"
INDEX = json.loads((FOLDER / "index.json").read_text())
# Vectors at the codec's own rate whose integers are stored; that of a live stream begins with the look-ahead. Integers
# contain neither levels nor pauses.
NAMES = [
    name
    for name, recipe in INDEX.items()
    if recipe["weights"] != "audio" and recipe["mode"] != "live" and recipe["sample_rate_hz"] == 16000
    if recipe.get("peak", 0.5) == 0.5 and not recipe.get("dtx")
]


@cache
def model(weights):
    floats, integers, config, _, _ = load_weights(find_weights(weights))
    return LightSpeechModel(floats, SubframeModel(integers, config), config), config


@pytest.mark.parametrize("name", [name for name in NAMES if INDEX[name]["seconds"] > 0])
def test_integers_decode_to_the_stored_sound(name):
    stored, (light, config) = np.load(FOLDER / f"{name}.npz"), model(INDEX[name]["weights"])
    state, is_file = light.start_decoder(), INDEX[name]["mode"] != "stream"
    state = light.conceal(state, None, 1)[0] if config.begins_concealed and is_file else state
    _, y = light.synthesise(state, Integers(stored["step"], stored["side"], stored["latents"]))
    start = config.decoder_delay + (INDEX[name]["mode"] == "stream") * config.spec.look_ahead
    pcm, expected = to_pcm16(y)[start:].astype(int), stored["pcm"].astype(int)
    n = min(len(pcm), len(expected))
    assert n > 0 and len(expected) - n <= config.decoder_delay + config.spec.look_ahead
    np.testing.assert_allclose(pcm[:n], expected[:n], rtol=0, atol=1)


def test_vectors_are_found():
    assert len(NAMES) > 20 and {INDEX[name]["weights"] for name in NAMES} == {"cq", "cq3", "cq-sparse"}
