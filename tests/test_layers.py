"""The order of the rooms: what each one may import, checked on the source of every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up; a room imports itself and what stands before it. Modules at the top are rooms of one file.
ORDER = (
    "errors",
    "output",
    "bitstream",
    "contract",
    "nn",
    "speech",
    "music",
    "light",
    "registry",
    "checkpoint",
    "export",
    "audio",
    "level_loop",
    "parts",
    "live",
    "channel",
    "files",
    "codec_properties",
    "streaming_codec",
    "codec",
    "rtp",
    "work",
    "training",
    "evaluation",
    "pruning",
    "published",
    "cli",
    "__main__",
)
CODING = ORDER[: ORDER.index("codec") + 1]  # what a plain install runs
TRAINING_ONLY = {"librosa", "optax", "matplotlib", "tqdm", "av"}
SOURCES = sorted(p for p in (ROOT / "lpcnet_cq").rglob("*.py") if p.relative_to(ROOT) != Path("lpcnet_cq/__init__.py"))


def imported(path):
    """Yield the name of every module that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in nodes), "imports are absolute"
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            if node.module == "lpcnet_cq":
                yield from (f"lpcnet_cq.{alias.name}" for alias in node.names if f"{alias.name}" in ORDER)


def room_of(path):
    parts = path.relative_to(ROOT / "lpcnet_cq").with_suffix("").parts
    return parts[0]


def identity(path):
    return str(path.relative_to(ROOT))


def test_every_room_has_its_place():
    assert {room_of(p) for p in SOURCES} == set(ORDER)


@pytest.mark.parametrize("path", SOURCES, ids=identity)
def test_no_import_runs_back_up(path):
    room = room_of(path)
    names = [name for name in imported(path) if name.startswith("lpcnet_cq.")]
    assert not [name for name in names if ORDER.index(name.split(".")[1]) > ORDER.index(room)]


def test_imports_are_found():
    """The rule above is checked on something: most rooms import another one."""
    importing = {room_of(path) for path in SOURCES for name in imported(path) if name.startswith("lpcnet_cq.")}
    assert {"speech", "codec", "live", "training", "cli"} <= importing


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) == "bitstream"], ids=identity)
def test_bytes_need_no_array_library_but_numpy(path):
    assert {name.partition(".")[0] for name in imported(path)}.isdisjoint({"jax", "flax"})


def test_light_runtime_needs_no_jax():
    """Not even by what it imports from other rooms."""
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in SOURCES if room_of(p) == "light"]
    code = f"import sys, {', '.join(n.removesuffix('.__init__') for n in names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "numpy" in loaded and loaded.isdisjoint({"jax", "flax", *TRAINING_ONLY})


CODES_WITHOUT_JAX = """
import sys
import numpy as np
import lpcnet_cq
from lpcnet_cq.cli import main

folder, name, layers, bitrate_bps = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4]
codec = lpcnet_cq.load(name)
x = 0.1 * np.random.default_rng(0).standard_normal(8000)
data = codec.encode(x, codec.sample_rate_hz, layers=int(layers), bitrate_bps=float(bitrate_bps), verify=True)
assert len(codec.decode(data)[0]) == 8000 and codec.thin(data, 1) and codec.info(data)["bits"]
encoder, decoder = codec.encoder(expected_loss=0.05), codec.decoder()
frames = [decoder.push(packet) for packet in encoder.push(x) + encoder.flush()] + [decoder.push(None)]
from lpcnet_cq.audio.writer import write_wav
write_wav(f"{folder}/x.wav", x, codec.sample_rate_hz)
for command in (
    ["encode", f"{folder}/x.wav", f"{folder}/x.cq", "--layers", layers, "--bitrate", bitrate_bps, "--model", name],
    ["encode", f"{folder}/x.wav", f"{folder}/live.cq", "--live", "--model", name],
    ["decode", f"{folder}/x.cq", f"{folder}/y.wav"],
    ["decode", f"{folder}/live.cq", f"{folder}/z.wav"],
    ["info", f"{folder}/x.cq"],
    ["thin", f"{folder}/x.cq", f"{folder}/small.cq"],
    ["channel", f"{folder}/x.wav", f"{folder}/heard.wav", "--loss", "5", "--model", name],
):
    assert main(command) == 0, command
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("cq", "2", "24000"), ("audio", "1", "96000")])
def test_coding_imports_neither_jax_nor_scipy(tmp_path, arguments):
    """All that a plain install does with speech and music: from Python and from the command line, files and live.

    SciPy takes longer to import than ten seconds of speech to code.
    """
    command = [sys.executable, "-c", CODES_WITHOUT_JAX, str(tmp_path), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "numpy" in loaded and loaded.isdisjoint({"jax", "jaxlib", "flax", "scipy", *TRAINING_ONLY})


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) in CODING], ids=identity)
def test_what_codes_needs_nothing_of_training(path):
    assert {name.partition(".")[0] for name in imported(path)}.isdisjoint(TRAINING_ONLY)


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) != "published"], ids=identity)
def test_nothing_imports_the_published_systems(path):
    assert not any(name.startswith("lpcnet_cq.published") for name in imported(path))
