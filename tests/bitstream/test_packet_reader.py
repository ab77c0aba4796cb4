"""Reading packets in NumPy and Python: the same integers, ends and faults as the compiled reader."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.packet import LIMIT, Integers, put_layers, put_packets
from lpcnet_cq.bitstream.packet_reader import NO_PAST, PacketReader
from lpcnet_cq.bitstream.vector_reader import BEYOND, LAST_BYTES, TRUNCATED
from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.light.music.line_model import LightLineModel
from lpcnet_cq.music.freeze import freeze as freeze_music
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.nn.packet_reader import Reader
from lpcnet_cq.registry import record_of
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG, MUSIC = PRESETS["tiny"].codec, PRESETS["audio-tiny"].codec
MOST = 3  # packets that the compiled reader takes


@pytest.fixture(scope="module")
def models(random_entropy, perturbed):
    """Return entropy models with random parameters: they expect every integer now and then."""
    return {
        "speech": SubframeModel(freeze(random_entropy[1], CONFIG), CONFIG),
        "music": LineModel(freeze_music(perturbed[1], MUSIC), MUSIC),
    }


@pytest.fixture(scope="module")
def readers(models, perturbed):
    """Return the reader in NumPy and the compiled one by the kind of codec."""
    light = models | {"music": LightLineModel(freeze_music(perturbed[1], MUSIC), MUSIC)}
    return {kind: (PacketReader(light[kind]), Reader(model)) for kind, model in models.items()}


@pytest.fixture(scope="module")
def released():
    """Return a maker of the entropy models of released weights: for the reader in NumPy, for the compiled one."""
    models = {}

    def model(name):
        if name not in models:
            weights = load_weights(find_weights(name))
            model = record_of(weights.config).entropy_model(weights.integers, weights.config)
            light = LightLineModel(weights.integers, weights.config) if name == "audio" else model
            models[name] = light, model
        return models[name]

    return model


def integers(model, T, seed, spread=3, music=False):
    """Return T packets that resemble coded signals: a slowly moving step, small integers."""
    draw = np.random.default_rng(seed)
    Q = model.n_steps
    step = np.clip(Q // 2 + np.cumsum(draw.integers(-1, 2, T)), 0, Q // 2)
    side = draw.integers(-spread, spread + 1, (T, model.K)) * draw.integers(0, 2, (T, model.K))
    if music:
        side[:, 0] = draw.integers(0, 2, T)
    latents = draw.integers(-spread, spread + 1, (T, model.S, model.D))
    return Integers(step, side, latents * draw.integers(0, 2, latents.shape))


def outcome(reader, *arguments):
    """Return all that a reader says of packets, as lists; or the message of its error."""
    try:
        pasts, n, ends = reader.read(*arguments)
    except BitstreamError as error:
        return str(error)
    kept = [(p.step, p.side.tolist(), p.latents.tolist(), p.known) for p in pasts]
    return kept, n.step.tolist(), n.side.tolist(), n.latents.tolist(), ends.tolist()


def assert_alike(readers, *arguments):
    ours, compiled = (outcome(reader, *arguments) for reader in readers)
    assert ours == compiled
    return ours


def same(a, b):
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("step", "side", "latents"))


wild = st.one_of(st.integers(-3, 3), st.integers(-60, 60), st.sampled_from([-LIMIT, LIMIT]), st.integers(-LIMIT, LIMIT))


@pytest.mark.parametrize("kind", ["speech", "music"])
@given(data=st.data())
def test_any_integers_come_back(models, readers, kind, data):
    """Escapes and the largest values included, in one layer and in two."""
    model, L = models[kind], data.draw(st.integers(0, 1))
    n = integers(model, 2, data.draw(st.integers(0, 99)), music=kind == "music")
    for _ in range(data.draw(st.integers(0, 5))):
        n.latents[
            data.draw(st.integers(0, 1)), data.draw(st.integers(0, model.S - 1)), data.draw(st.integers(0, model.D - 1))
        ] = data.draw(wild)
        n.side[data.draw(st.integers(0, 1)), data.draw(st.integers(1, model.K - 1))] = data.draw(wild)
    pasts, packets = put_layers(model, None, n, L)
    stream = b"".join(b"".join(layers) for layers in packets)
    assert_alike(readers[kind], None, stream, 0, 2, MOST, L)
    after, back, ends = readers[kind][0].read(None, stream, 0, 2, MOST, L)
    assert same(n, back) and ends[-1, -1] == len(stream)
    for ours, theirs in zip(after, pasts, strict=True):
        assert ours.step == theirs.step and ours.known == theirs.known
        np.testing.assert_array_equal(ours.side, theirs.side)
        np.testing.assert_array_equal(ours.latents, theirs.latents)


@pytest.mark.parametrize("kind", ["speech", "music"])
def test_packets_continue_from_the_past(models, readers, kind):
    model = models[kind]
    n = integers(model, 4, 5, music=kind == "music")
    first, second = n.runs(2)
    past, packets = put_packets(model, None, first)
    _, more = put_packets(model, past, second)
    data = b"".join(packets + more)
    pasts, back, ends = readers[kind][0].read(None, data, 0, 2, 2)
    assert same(back, first)
    assert same(readers[kind][0].read(pasts, data, int(ends[-1, -1]), 2, 2)[1], second)
    assert outcome(readers[kind][0], None, data, int(ends[-1, -1]), 2, 2).endswith("which are not known")


def test_padding_is_skipped(models, readers):
    model = models["speech"]
    n = integers(model, 3, 1)
    packets = put_packets(model, None, n)[1]
    size = max(map(len, packets)) + 2
    data = b"".join(p.ljust(size, b"\0") for p in packets)
    assert same(readers["speech"][0].read(None, data, 0, 3, MOST, 0, size)[1], n)
    assert_alike(readers["speech"], None, data, 0, 3, MOST, 0, size)


def mutated(data, random):
    """Return bytes with a few changes: flipped bits, other bytes, cuts, insertions."""
    data = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at, kind = int(random.integers(0, len(data))), random.integers(0, 4)
        if kind == 0:
            data[at] ^= 1 << random.integers(0, 8)
        elif kind == 1:
            data[at] = random.integers(0, 256)
        elif kind == 2 and len(data) > 1:
            del data[at : at + int(random.integers(1, 4))]
            data = data or bytearray(1)
        else:
            data[at:at] = random.bytes(2)
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "L", "trials", "n_faults"), [("speech", 0, 400, 3), ("speech", 1, 300, 3), ("music", 0, 100, 2)]
)
def test_damage_is_found_alike(models, readers, kind, L, trials, n_faults):
    """The same fault is named, or the same integers are read, for every damage; also in the middle of a stream."""
    model, random, found = models[kind], np.random.default_rng(trials), []
    for seed in range(10):
        n = integers(model, 2, seed, spread=2, music=kind == "music")
        pasts, packets = put_layers(model, None, n[:1], L)
        _, more = put_layers(model, pasts, n[1:], L)
        for _ in range(trials // 20):
            found.append(assert_alike(readers[kind], None, mutated(b"".join(packets[0]), random), 0, 1, MOST, L))
            found.append(assert_alike(readers[kind], pasts, mutated(b"".join(more[0]), random), 0, 1, MOST, L))
    faults = {text for text in found if isinstance(text, str)}
    assert n_faults <= len(faults) < len(found)


@given(st.binary(max_size=60) | st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).bytes(300)))
def test_random_bytes_are_read_alike(readers, data):
    for L in (0, 1):
        assert_alike(readers["speech"], None, data, 0, 1, MOST, L)


def test_every_fault_is_named(models, readers):
    """Of all faults of a packet, the message names the first."""
    model, random = models["speech"], np.random.default_rng(3)
    data = put_packets(model, None, integers(model, 1, 0))[1][0]
    some = [random.bytes(60) for _ in range(400)]
    some += [b"\xff" * 200, data[:-1], data[:-1] + b"\xff"]
    found = [assert_alike(readers["speech"], None, damaged, 0, 1, MOST) for damaged in some]
    said = {text for text in found if isinstance(text, str)}
    assert said == {BEYOND, LAST_BYTES, NO_PAST, TRUNCATED}


@pytest.mark.parametrize("weights", ["cq", "cq3", "cq-sparse", "audio"])
def test_released_weights_are_read_alike(weights, released):
    """Packets with large and small integers, whole and damaged."""
    (light, model), random = released(weights), np.random.default_rng(7)
    readers, music = (PacketReader(light), Reader(model)), weights == "audio"
    for seed in range(2 if music else 10):
        n = integers(model, 2, seed, spread=1 + 3 * (seed % 2), music=music)
        packets = put_packets(model, None, n)[1]
        assert same(readers[0].read(None, b"".join(packets), 0, 2, 2)[1], n)
        assert_alike(readers, None, b"".join(packets), 0, 2, 2)
        for _ in range(5):
            assert_alike(readers, None, mutated(b"".join(packets), random), 0, 2, 2)
