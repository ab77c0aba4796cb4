"""The codec in TypeScript passes its own tests: `web/` reads the conformance vectors with a decoder of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

import lpcnet_cq
from lpcnet_cq.channel import receive

WEB = Path(__file__).parents[1] / "web"
INSTALLED = shutil.which("npm") is not None and (WEB / "node_modules").is_dir()

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")  # `make test` also finds other names

needs_node = pytest.mark.skipif(not INSTALLED, reason="install Node.js 20 or newer, then run `npm ci` in web/")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="install Chromium: `apt-get install chromium`")


def write_graphs(folder):
    """Write the graphs of all weights for speech."""
    from lpcnet_cq.export.write import onnx_files

    for weights in ("cq", "cq3", "cq-sparse"):
        (folder / weights).mkdir()
        for name, content in onnx_files(weights).items():
            (folder / weights / name).write_bytes(content)


@pytest.fixture(scope="module")
def graphs(made_once):
    """Return a folder with the graphs of all weights for speech."""
    return made_once("graphs", write_graphs)


@pytest.fixture(scope="module", autouse=True)
def built(made_once):
    """Compile the TypeScript once: what npm runs in the tests finds it up to date."""
    if INSTALLED:
        build = ["npm", "run", "build"]
        made_once("web", lambda _: subprocess.run(build, cwd=WEB, check=True, capture_output=True))


@needs_node
def test_the_tests_in_typescript_pass(graphs):
    environment = os.environ | {"CQ_GRAPHS": str(graphs)}
    done = subprocess.run(["npm", "test"], cwd=WEB, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "# skipped 0" in done.stdout


@needs_node
def test_speech_encoded_in_typescript_is_decoded(graphs, tmp_path):
    """Pulses through a resonance, loud enough for level 0: 12 kbps, and as good as encoded in Python."""
    codec, bitrate_bps = lpcnet_cq.load("cq3"), 12000
    pulses = np.arange(24000) % 120 == 0
    x = np.float32(0.1 * lfilter([1], [1, -1.7, 0.81], pulses))
    samples, coded = tmp_path / "samples", tmp_path / "coded"
    samples.write_bytes(x.tobytes())
    script = [WEB / "dist" / "test" / "encode-file.js", samples, str(bitrate_bps), coded]
    subprocess.run(["node", *script], check=True, env=os.environ | {"CQ_GRAPHS": str(graphs)})
    y, sample_rate_hz = codec.decode(coded.read_bytes())
    expected, _ = codec.decode(codec.encode(x, sample_rate_hz, bitrate_bps))
    assert coded.stat().st_size * 8 * sample_rate_hz / len(x) <= bitrate_bps
    assert y.shape == x.shape
    assert np.sum((y - x) ** 2) < 1.2 * np.sum((expected - x) ** 2)


@needs_node
def test_lost_packets_are_interpolated_in_typescript_as_in_python(graphs, tmp_path):
    """Losses of one to four packets, the first packet among them, in voiced sound whose period rises."""
    codec, samples = lpcnet_cq.load("cq3"), np.arange(24000)
    pulses = np.diff(np.floor(np.cumsum(130 + 0.002 * samples) / 16000), prepend=0)
    x = np.float32(0.1 * lfilter([1], [1, -1.7, 0.81], pulses))
    encoder = codec.encoder(12000, expected_loss=0.015)  # resets in every packet, and no copies
    packets = encoder.push(x)
    lost = np.isin(np.arange(len(packets)), (0, 20, 33, 34, 50, 51, 52, 60, 61, 62, 63))
    coded, sound = tmp_path / "packets", tmp_path / "sound"
    coded.write_text(json.dumps([None if gone else list(data) for data, gone in zip(packets, lost, strict=True)]))
    script = ["node", WEB / "dist" / "test" / "decode-live.js", coded, sound]
    subprocess.run(script, check=True, env=os.environ | {"CQ_GRAPHS": str(graphs)})
    decoder, plain = codec.decoder(), codec.decoder()
    expected = receive(decoder, packets, lost, encoder.copy_offset)
    found = np.fromfile(sound, np.float32)[decoder.delay_samples :]
    np.testing.assert_allclose(found, expected[: len(found)], rtol=0, atol=2**-15)
    plain = np.concatenate([plain.push(None if gone else data) for data, gone in zip(packets, lost, strict=True)])
    assert np.abs(plain[decoder.delay_samples :] - found).max() > 2**-8


@needs_node
@needs_chromium
def test_the_pages_work_in_a_browser(graphs, tmp_path):
    """Code a dropped file, and take the listening test by keyboard; no serious fault of accessibility."""
    subprocess.run(["npm", "run", "site"], cwd=WEB, check=True, capture_output=True)
    site = shutil.copytree(WEB / "dist" / "site", tmp_path / "site", dirs_exist_ok=True)
    shutil.copytree(graphs / "cq3", site / "graphs", dirs_exist_ok=True)
    shutil.copy(WEB.parent / "lpcnet_cq" / "released" / "cq3.safetensors", site)
    environment = os.environ | {"CQ_SITE": str(site), "CHROMIUM": str(CHROMIUM)}
    done = subprocess.run(["npm", "run", "test:browser"], cwd=WEB, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "# skipped 0" in done.stdout
