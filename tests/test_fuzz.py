"""Damaged input of every kind: ten thousand cases of the fuzzer, and the cases that it once found."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

pytest.importorskip("aiortc", reason="the extra `rtp` installs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import fuzz
from fuzz_format import FIELDS, repaired, take_apart
from fuzz_mutations import STREAM, mutate
from fuzz_report import write_report
from fuzz_seeds import make_seeds
from fuzz_targets import Broken, Case, live_packets

from lpcnet_cq.bitstream.container import read_header
from lpcnet_cq.errors import BitstreamError

CASES = 10_000
TARGETS = {"decode", "info", "thin", "blocks", "push", "rtp", "weights"}


@pytest.fixture(scope="module")
def seeds():
    return make_seeds(music=False, n_packets=1)


@pytest.fixture(scope="module")
def stream(seeds):
    """Return a function that returns a seed by its name."""
    return lambda name: next(seed for seed in seeds if seed.name == name)


def test_no_damage_breaks_a_rule(seeds):
    results = fuzz.fuzz(seeds, seed=0, indices=range(CASES))
    assert results.failures == [] and results.cases.total() == CASES
    assert {target for target, _ in results.cases} == TARGETS
    assert min(results.accepted[target] for target in TARGETS - {"rtp"}) > 10
    assert len(results.messages) > 200


def test_cases_are_repeatable(seeds):
    first, second = (fuzz.fuzz(seeds, seed=3, indices=range(60), traced=0) for _ in range(2))
    assert first.messages == second.messages and first.cases == second.cases


def test_results_of_processes_add_up(seeds):
    whole = fuzz.fuzz(seeds, seed=0, indices=range(80), traced=20)
    parts = [fuzz.fuzz(seeds, seed=0, indices=range(i, i + 40), traced=20) for i in (0, 40)]
    parts[0].add(parts[1])
    assert parts[0].cases == whole.cases and parts[0].messages == whole.messages
    assert len(parts[0].slowest) == 10 and len(parts[0].largest) == 4


def test_mutations_change_streams_and_crcs_fit(seeds):
    """Seeds are as whole behind a repair as before; most mutated ones have a header with the right CRC."""
    assert all(repaired(seed.data) == seed.data for seed in seeds)
    assert {take_apart(seed.data).n_packets for seed in seeds} == {0, 1, 2, 3}
    random = Random(1)
    mutated = [mutate(random, seeds[0].data, seeds[1].data, STREAM, repair=True)[1] for _ in range(300)]
    assert 240 < sum(has_right_crc(data) for data in mutated) < 300


def has_right_crc(data):
    """Return whether the header is not refused for its CRC."""
    try:
        read_header(io.BytesIO(data))
    except BitstreamError as error:
        return "CRC" not in str(error)
    return True


def test_broken_rules_are_failures(tmp_path):
    def breaks():
        raise Broken("samples of up to 2")

    def fails():
        return [][1]

    def grows():
        return "" if np.ones(60 << 20, np.int8).any() else "no"

    results = fuzz.Results()
    for i, run in enumerate((breaks, fails, grows, lambda: "")):
        fuzz.run_case(Case("push", "none", run, 10, 0.02), i, results, traced=True)
    assert [i for i, *_ in results.failures] == [0, 1, 2]
    write_report(tmp_path / "new" / "r.md", results, 0, 50.0, [[1.0, 2.0, 3.0], [4.0]])
    text = (tmp_path / "new" / "r.md").read_text()
    assert "4 cases (seed 0)" in text and "1 and 4 MB after the first 500 cases, 2 and 4 MB" in text
    assert "IndexError" in text and "allocates 63 MB for 10 bytes" in text


# ------------------------------------------------------------------------------------------------ found before


def with_field(data, name, value):
    """Return a stream with another field of the header, and CRCs that fit."""
    at, n = FIELDS[name]
    return repaired(data[:at] + value.to_bytes(n, "big") + data[at + n :])


@pytest.mark.parametrize("name", ["cq-9k", "cq-9k-length", "cq-24k-length-thinned", "cq-9k-stream"])
def test_two_channels_of_speech_are_refused_by_all(stream, name):
    """They raised an `AxisError` when decoded, and `thin` passed them on."""
    codec, parts = stream(name).codec, take_apart(stream(name).data)
    header = parts.header[:23].ljust(25, b"\0") + parts.header[25:]
    data = with_field(replace(parts, header=header[:5] + bytes([len(header) + 4]) + header[6:]).join(), "channels", 2)
    calls = (
        codec.decode,
        codec.info,
        lambda data: codec.thin(data, 1),
        lambda data: codec.decode_blocks(io.BytesIO(data)),
    )
    for call in calls:
        with pytest.raises(BitstreamError, match="2 channels"):
            call(data)


def test_a_live_stream_begins_with_a_context_reset(stream):
    """Without one its first packets were concealed when decoded, but refused by `info` and `thin`."""
    seed = stream("cq-sparse-live")
    parts = take_apart(seed.data)
    packets = [unit for unit in parts.units if unit[:1] != b"\0"]
    assert len(packets) > 1
    late = replace(parts, units=[unit for unit in parts.units if unit is not packets[0]]).join()
    for call in (seed.codec.decode, seed.codec.info, lambda data: seed.codec.thin(data, 1)):
        with pytest.raises(BitstreamError, match="packets before it"):
            call(late)


def test_a_packet_of_a_live_stream_has_all_its_layers(stream):
    """One without its enhancement layer was decoded, but refused by `info` and `thin`."""
    seed = stream("cq3-layers")
    codec, parts = seed.codec, take_apart(seed.data)
    packet = live_packets(seed)[0][0]
    end = int(codec._parts.reader.read(None, packet, 0, 1, 1)[2][0, 0])
    i = next(i for i, unit in enumerate(parts.units) if unit.endswith(packet))
    head = bytes([end + 1]) if end < 63 else (end + 1 | 0x4000).to_bytes(2, "big")
    cut = replace(parts, units=[*parts.units[:i], head + packet[:end], *parts.units[i + 1 :]]).join()
    for call in (codec.decode, codec.info, lambda data: codec.thin(data, 1)):
        with pytest.raises(BitstreamError):
            call(cut)


@pytest.mark.parametrize("name", ["cq-9k-length", "cq-24k-length-thinned", "cq-sparse-16k-length-capped"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample rate", 8000),
        ("sample rate", 44100),
        ("sample rate", 768000),
        ("samples", 0),
        ("samples", 100),
        ("length", 0),
        ("length", 60000),
        ("hop", 160),
        ("coding rate", 8000),
        ("kind", 0x21),
    ],
)
def test_a_header_that_contradicts_itself_or_the_weights_is_refused(stream, name, field, value):
    codec, data = stream(name).codec, with_field(stream(name).data, field, value)
    for call in (codec.decode, codec.info, lambda data: codec.thin(data, 1)):
        with pytest.raises(BitstreamError):
            call(data)
