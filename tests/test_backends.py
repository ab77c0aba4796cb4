"""Backends: the same streams and the same sound in NumPy and in JAX, copies, and what is said without JAX."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream.packet_reader import PacketReader
from lpcnet_cq.codec import Codec
from lpcnet_cq.nn.packet_reader import Reader

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def codecs():
    """Return the released codec in NumPy and in JAX."""
    return lpcnet_cq.load("cq"), lpcnet_cq.load("cq", backend="jax")


def steps(a, b):
    """Return the largest difference of two signals in steps of 16 bits."""
    return np.abs(np.rint(32768 * a) - np.rint(32768 * b)).max()


def test_numpy_is_the_default(codecs):
    light, compiled = codecs
    assert (light.backend, compiled.backend) == ("numpy", "jax")
    assert type(light._parts.reader) is PacketReader and type(compiled._parts.reader) is Reader


@pytest.mark.parametrize(("bitrate_bps", "layers"), [(9000, 1), (24000, 2)])
def test_files_of_both_are_read_by_both(codecs, vowel, bitrate_bps, layers):
    """The same integers, and the same sound within one step of 16 bits."""
    x = vowel(seconds=1.3)
    for writer in codecs:
        data = writer.encode(x, 16000, bitrate_bps, layers)
        ours, theirs = (codec.decode(data)[0] for codec in codecs)
        assert steps(ours, theirs) <= 1
        assert codecs[0].info(data) == codecs[1].info(data)
        assert codecs[0].thin(data, 1) == codecs[1].thin(data, 1)


def test_files_of_both_are_alike(codecs, vowel):
    """Where rounding to integers is a tie in floating point, they may differ; the rest of the bytes follows."""
    x = vowel(seconds=1.3)
    ours, theirs = (codec.encode(x, 16000, 9000) for codec in codecs)
    assert abs(len(ours) - len(theirs)) < 0.01 * len(theirs)
    assert steps(*(codecs[1].decode(data)[0] for data in (ours, theirs))) < 4000


def test_live_streams_of_both_are_read_by_both(codecs, vowel):
    x = vowel(seconds=0.5)
    for writer in codecs:
        encoder = writer.encoder(9000)
        packets = encoder.push(x) + encoder.flush()
        packets[9] = None
        ours, theirs = ([d.push(p) for p in packets] for d in (codec.decoder() for codec in codecs))
        assert steps(np.concatenate(ours), np.concatenate(theirs)) <= 1


@pytest.mark.parametrize("make", [lambda c: pickle.loads(pickle.dumps(c)), copy.copy, copy.deepcopy])
def test_copies_have_the_backend(codecs, make):
    assert [make(codec).backend for codec in codecs] == ["numpy", "jax"]


def test_other_backends_are_refused(speech_weights):
    with pytest.raises(ValueError, match=r"^`backend` is 'torch', it must be `numpy` or `jax` for speech$"):
        Codec(speech_weights, "torch")


def test_music_of_both_is_read_by_both(plucked):
    """The same integers, and the same sound within one step of 16 bits; NumPy is the default."""
    codecs = lpcnet_cq.load("audio"), lpcnet_cq.load("audio", backend="jax")
    assert [codec.backend for codec in codecs] == ["numpy", "jax"]
    for writer in codecs:
        data = writer.encode(plucked, 44100, 96000)
        ours, theirs = (codec.decode(data)[0] for codec in codecs)
        assert steps(ours, theirs) <= 1
        assert codecs[0].info(data) == codecs[1].info(data)


def test_a_missing_library_is_named():
    """One sentence that says what to install."""
    code = "import sys; sys.modules['jax'] = None; import lpcnet_cq; lpcnet_cq.load(sys.argv[1], 'jax')"
    for name in ("cq", "audio"):
        done = subprocess.run([sys.executable, "-c", code, name], cwd=ROOT, capture_output=True, text=True)
        (last,) = done.stderr.splitlines()[-1:]
        needs = f"ValueError: `{name}` with the backend jax needs the package `jax`"
        assert last == f"{needs}; `pip install 'lpcnet-cq[jax]'` installs it"
