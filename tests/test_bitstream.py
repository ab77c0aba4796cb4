"""The page docs/bitstream.md is sufficient: a decoder written from it alone reads what the package writes.

That decoder is `second_decoder/`. It reads streams of random models, whose integers and context are far from those of
audio, and the conformance vectors of the released weights; and it refuses the files that the package refuses.
"""

import io
import json
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream.container import Header, write_header, write_segment
from lpcnet_cq.bitstream.extension import Coding
from lpcnet_cq.bitstream.packet import Integers, join, put_layers
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.freeze import freeze as freeze_music
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

SPEECH, MUSIC = PRESETS["tiny"].codec, MusicConfig(hidden=8)
MODEL = "0123456789abcdef"
VECTORS = Path(__file__).parent / "vectors"
INDEX = json.loads((VECTORS / "index.json").read_text())
FIRST = 4  # packets of a vector that are decoded
FILES = [name for name, recipe in INDEX.items() if recipe["mode"] != "live"]


def layer(draw, n_in, n_out, size=1.0):
    return size * draw.standard_normal((n_in, n_out)) / n_in**0.5


def triangular(draw, n):
    return {"mean": layer(draw, n, n, 0.3), "scale": layer(draw, n, n, 0.3)}


def side_model(draw, K):
    """Draw float parameters of the model of side integers, none of them zero."""
    return {
        "w1": layer(draw, 2 * K, 64),
        "b1": draw.standard_normal(64),
        "w2": layer(draw, 64, 2 * K),
        "b2": draw.standard_normal(2 * K),
        "skip": layer(draw, 2 * K, K, 0.3),
        "triangular": triangular(draw, K),
    }


def speech_model(draw, resets=False):
    """Draw the integer tensors of a speech codec, and return them with the package's entropy model."""
    config = replace(SPEECH, context_resets=resets)
    S, D, K, W, Q = SPEECH.spec.n_subframes, SPEECH.n_latents, SPEECH.n_side, SPEECH.hidden, SPEECH.n_steps
    latent = {
        "ws": layer(draw, 2 * K, 64),
        "bs": draw.standard_normal(64),
        "step": draw.standard_normal((Q, 64)),
        "wp": layer(draw, 64, S * W),
        "bp": draw.standard_normal(S * W),
        "wy": layer(draw, SPEECH.context * D, W),
        "w2": layer(draw, W, W),
        "b2": draw.standard_normal(W),
        "w3": layer(draw, W, 2 * D),
        "b3": draw.standard_normal(2 * D),
        "triangular": triangular(draw, D),
    }
    entropy = {"side": side_model(draw, K), "latent": latent}
    if resets:
        latent |= {"reset_ws": layer(draw, K, 64), "reset_bs": draw.standard_normal(64)}
        latent["reset_bp"] = draw.standard_normal(S * W)
        names = ("side", "side_second", "side_reset")
        entropy |= {name: side_model(draw, K) | {"within": layer(draw, K, 64)} for name in names}
    integers = freeze(entropy, config)
    return integers, SubframeModel(integers, config)


def music_model(draw):
    """Draw the integer tensors of a music codec, and return them with the package's entropy model."""
    b, W = MUSIC.bands, MUSIC.hidden
    latent = {
        "w1": layer(draw, 10, W),
        "bias1": draw.standard_normal((4, W)),
        "w2": layer(draw, W, W // 2),
        "bias2": draw.standard_normal((4, W // 2)),
        "below": layer(draw, 3, W // 2),
        "w3": layer(draw, W // 2, 1),
        "skip": draw.standard_normal(4),
        "bias3": draw.standard_normal(4),
    }
    allocation = {"energy_weights": layer(draw, 8 * b, b, 10), "bias": draw.standard_normal((4, b))}
    entropy = {"side": side_model(draw, MUSIC.n_side), "latent": latent}
    integers = freeze_music({"entropy": entropy, "allocation": allocation}, MUSIC)
    return integers, LineModel(integers, MUSIC)


def plain(integers):
    """Return tensors as nested lists of Python's integers."""
    return {name: value.tolist() for name, value in integers.items()}


def written(model, n, n_samples, layers=0, cut=None, channels=1, constant=False):
    """Return a file of packets, in two segments if `cut` is given; with padding if their size is to be constant."""
    file = io.BytesIO()
    write_header(file, Header(n_samples, 16000, 9000, MODEL, channels))
    for part in (slice(0, cut), slice(cut, None)) if cut else (slice(None),):
        packets = [b"".join(packet) for packet in put_layers(model, None, n[part], layers)[1]]
        most = max(map(len, packets)) if constant else 0
        write_segment(file, [packet.ljust(most, b"\0") for packet in packets], part.stop is None, layers, constant)
    return file.getvalue()


def assert_same(packets, n):
    assert [q for q, _, _ in packets] == n.step.tolist()
    assert [v for _, v, _ in packets] == n.side.tolist()
    assert [y for _, _, y in packets] == n.latents.tolist()


@pytest.mark.parametrize("name", ["RangeDecoder", "BoundedRangeDecoder"])
@pytest.mark.parametrize(("layers", "constant"), [(0, False), (1, False), (1, True)])
@pytest.mark.parametrize("resets", [False, True])
def test_the_page_suffices_to_decode_speech(second_decoder, name, layers, constant, resets):
    """Integers far from their tables, changes of the step index, two segments, an enhancement layer, padding."""
    draw = np.random.default_rng(1 + layers)
    integers, model = speech_model(draw, resets)
    T, K, S, D = 7, SPEECH.n_side, SPEECH.spec.n_subframes, SPEECH.n_latents
    side, latents = draw.integers(-40, 41, (T, K)), draw.integers(-9, 10, (T, S, D))
    latents[draw.random(latents.shape) < 0.03] *= 1700
    n = Integers(draw.integers(0, SPEECH.n_steps - 8 * layers, T), side, latents)
    data = written(model, n, 320 * T - 64, layers, cut=4, constant=constant)
    decoder = second_decoder.decoder_for({"n_steps": SPEECH.n_steps}, plain(integers), getattr(second_decoder, name))
    assert_same(second_decoder.read_file(data, decoder, MODEL), n)


@pytest.mark.parametrize("name", ["RangeDecoder", "BoundedRangeDecoder"])
def test_the_page_suffices_to_decode_music(second_decoder, name):
    """Lines and energies beyond any level, flags that are no flags, long and short blocks, two segments."""
    draw = np.random.default_rng(3)
    integers, model = music_model(draw)
    T, K, D = 4, MUSIC.n_side, MUSIC.n_latents
    side = draw.integers(-12, 33, (T, K))
    side[draw.random(side.shape) < 0.02] *= 300
    side[:, 0] = [0, 1, -5, 7]
    lines = np.rint(draw.laplace(0, 60 * np.exp(-np.arange(D) / 200), (T, 2, D))).astype(int)
    lines[draw.random(lines.shape) < 0.003] *= 40
    n = Integers(draw.integers(0, MUSIC.n_steps, T), side, lines)
    data = written(model, n, 1024 * T - 1024, cut=3, channels=2)
    config = {"n_steps": MUSIC.n_steps, "bands": MUSIC.bands}
    decoder = second_decoder.decoder_for(config, plain(integers), getattr(second_decoder, name))
    assert_same(second_decoder.read_file(data, decoder, MODEL), n)


@pytest.fixture(scope="module")
def released(second_decoder):
    """Return a maker of second decoders for released weights, and the weights' names in streams."""
    loaded = {name: load_weights(find_weights(name)) for name in ("cq", "cq3", "cq-sparse", "audio")}
    lists = {name: plain(weights.integers) for name, weights in loaded.items()}

    def make(name):
        config = {"n_steps": loaded[name].config.n_steps}
        config |= {"bands": MUSIC.bands} if name == "audio" else {}
        return second_decoder.decoder_for(config, lists[name]), loaded[name].sha256[:16]

    return make


@pytest.mark.parametrize("name", FILES)
def test_vectors_decode_by_the_page(second_decoder, released, name):
    """The first packets of each: plain Python needs half a minute for a second of music."""
    decoder, model = released(INDEX[name]["weights"])
    packets = second_decoder.read_file((VECTORS / f"{name}.cq").read_bytes(), decoder, model, FIRST)
    expected = np.load(VECTORS / f"{name}.npz")
    assert len(packets) == min(len(expected["step"]), FIRST)
    assert_same(packets, Integers(*(expected[key][:FIRST].astype(int) for key in ("step", "side", "latents"))))


def repaired(data):
    """Return a file with right CRCs in its header and its first segment, as far as it has them."""
    head = data[: data[5] - 4]
    segment = data[data[5] :]
    end = 8 + int.from_bytes(segment[2:4], "big")
    crc = zlib.crc32(segment[:4] + segment[8:end]).to_bytes(4, "big")
    return head + zlib.crc32(head).to_bytes(4, "big") + segment[:4] + crc + segment[8:]


def damaged(base, draw):
    """Yield files with a wrong byte or bit under right CRCs, and files cut off or continued."""
    for position in [*range(4, 44), *range(44, len(base), 8)]:
        data = bytearray(base)
        data[position] ^= 1 << draw.integers(8) if position > 35 else draw.integers(1, 256)
        yield repaired(bytes(data)) if position != 5 else bytes(data)
    yield from (base[: draw.integers(len(base))] for _ in range(5))
    yield base + b"\0"
    yield base


def test_pauses_are_read_by_the_page(second_decoder, released):
    """A stream of noise: packets, silence descriptors, and packets that were not sent."""
    decoder, model = released("cq")
    codec, x = lpcnet_cq.load("cq"), 0.001 * np.random.default_rng(0).standard_normal(26 * 320).astype(np.float32)
    file = io.BytesIO()
    codec.encode_live(file, [x], 16000, 1, 9000, dtx=True)
    packets = second_decoder.read_file(file.getvalue(), decoder, model)
    encoder, pasts = codec.encoder(9000, dtx=True), None
    for data, found in zip(encoder.push(x) + encoder.flush(), packets, strict=True):
        assert (found is None) == (not data)
        nothing = None, join(codec._parts.entropy, [])
        pasts, n = codec._parts.reader.read(pasts, data, 0, 1, 1)[:2] if data else nothing
        assert_same([found] if data else [], n)
    assert sum(found is None for found in packets) > 8


@pytest.fixture(scope="module")
def short_file(second_decoder, released):
    """Return a file of two packets with an enhancement layer and a header extension."""
    decoder, model = released("cq")
    data = (VECTORS / "cq-24k-layers.cq").read_bytes()
    payload, ends = data[data[5] + 8 :], [0]
    for _ in range(2):
        ends.append(decoder.packet(payload, ends[-1], 1)[1])
    file = io.BytesIO()
    write_header(file, Header(400, 44100, 24000, model, coding=Coding("speech", "mean", 16000, 320, 1101)))
    write_segment(file, [payload[a:b] for a, b in pairwise(ends)], True, 1)
    return file.getvalue()


def test_the_page_says_what_is_refused(second_decoder, released, short_file):
    """Both decoders refuse the same files, and read the same from all others."""
    codec, outcomes = lpcnet_cq.load("cq"), Counter()
    for data in damaged(short_file, np.random.default_rng(1)):
        decoder, model = released("cq")
        ours = theirs = None
        with suppress(second_decoder.Damaged):
            theirs = second_decoder.read_file(data, decoder, model)
        with suppress(BitstreamError):
            n = join(codec._parts.entropy, [part for segment in codec._read(data)[1] for part in segment.parts])
            ours = list(zip(*(v.tolist() for v in (n.step, n.side, n.latents)), strict=True))
        assert ours == theirs, data.hex()
        outcomes[ours is None] += 1
    assert outcomes[True] > 50 and outcomes[False] > 3
