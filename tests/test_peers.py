"""The peers of the benchmark that are installed: rate, delay, state, and what they say if something is missing."""

import pickle
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import peers

import lpcnet_cq
from lpcnet_cq.evaluation.bench import speech_like

RATE_HZ = peers.RATE_HZ


@pytest.mark.parametrize("name", peers.PEERS)
def test_installed_peers_code_near_their_rate_and_on_time(name):
    peer = peers.PEERS[name]
    if reason := peer.missing():
        pytest.skip(reason)
    x = speech_like(1.5, RATE_HZ).astype(float)
    kbps = peer.rates[0]
    packets = peer.packets(x, kbps)
    y = peer.decoded(packets, x)
    assert y.shape == x.shape
    assert np.abs(y).max() <= 1
    measured = peer.payload_kbps(packets, len(x))
    assert measured == pytest.approx(kbps, rel=0.3 if peer.steerable else 0.03)
    around = signal.correlate(y, x)[len(x) - 201 : len(x) + 200]
    assert abs(int(np.argmax(around)) - 200) <= 1
    assert np.corrcoef(x, y)[0, 1] > 0.5
    again = peer.decoded(peer.packets(x, kbps), x)
    assert np.array_equal(y, again)  # nothing is left over from the stream before


def test_amr_wb_counts_the_bits_of_its_modes():
    # 3GPP TS 26.201, table 2: class A, B and C bits of each mode.
    known = (132, 177, 253, 285, 317, 365, 397, 461, 477)
    assert tuple(peers.amr_bits(bytes([mode << 3 | 4])) for mode in range(9)) == known


def test_missing_peers_say_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("LYRA_MODELS", raising=False)
    assert "LYRA_MODELS" in str(peers.PEERS["lyra-v2"].missing())
    monkeypatch.setenv("LYRA_MODELS", str(tmp_path))
    assert "soundstream_encoder.tflite" in str(peers.PEERS["lyra-v2"].missing())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    peers.libopus.cache_clear()
    assert peers.PEERS["opus"].missing() == "module av is not installed"
    with pytest.raises(OSError, match="libno-such-library"):
        peers.system_library("no-such-library")


def test_what_codes_a_recording_can_be_sent_to_other_processes():
    benchmark = pytest.importorskip("benchmark", reason="its curves need matplotlib")
    x = np.ones(3200, np.float32)
    for code in (benchmark.own_code(lpcnet_cq.load(), 9.0), benchmark.uncoded):
        again = pickle.loads(pickle.dumps(benchmark.FillGap(code, 250.0))).code
        np.testing.assert_array_equal(again(x)[0], code(x)[0])
    steered = pickle.loads(pickle.dumps(partial(benchmark.peer_code, "opus", 9.5)))
    assert (steered.func, steered.args) == (benchmark.peer_code, ("opus", 9.5))
