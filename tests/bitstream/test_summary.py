"""What a file says without its weights."""

import io

import pytest

from lpcnet_cq.bitstream.container import Header, write_header, write_segment
from lpcnet_cq.bitstream.extension import Coding
from lpcnet_cq.bitstream.summary import summarise
from lpcnet_cq.errors import BitstreamError

CODING = Coding("speech", "constant", 16000, 320, 22050)


def stream(coding):
    file = io.BytesIO()
    write_header(file, Header(16000 // 2, 44100, 9600, "0123456789abcdef", coding=coding))
    write_segment(file, [b"ab", b"c"], last=False, enhancements=1)
    write_segment(file, [b"d"], last=True)
    return file.getvalue()


def test_header_and_segment_heads_are_told():
    data = stream(CODING)
    assert summarise(data) == {
        "duration_s": 0.5,
        "sample_rate_hz": 44100,
        "channels": 1,
        "codec": "speech",
        "mode": "constant",
        "bitrate_bps": 16 * len(data),
        "nominal_bps": 9600,
        "size_bytes": 36 + 8 + 3 + 8 + 1,
        "packets": 3,
        "layers": 2,
        "model_hash": "0123456789abcdef",
    }


def test_files_of_the_first_releases_need_the_coding_rate():
    data = stream(None)
    found = summarise(data)
    assert [found[k] for k in ("duration_s", "bitrate_bps", "codec", "mode")] == [None] * 4
    assert summarise(data, 16000)["duration_s"] == 0.5 and summarise(data, 16000)["bitrate_bps"] == 16 * len(data)


def test_nothing_lasts_no_time():
    file = io.BytesIO()
    write_header(file, Header(0, 44100, 9600, "0123456789abcdef", coding=Coding("music", "mean", 44100, 1024, 0)))
    write_segment(file, [], last=True)
    found = summarise(file.getvalue())
    assert found["duration_s"] == found["bitrate_bps"] == found["packets"] == 0


def test_the_bitrate_of_a_few_samples_is_that_over_a_packet():
    file = io.BytesIO()
    write_header(file, Header(1, 16000, 9000, "0123456789abcdef", coding=Coding("speech", "mean", 16000, 320, 1)))
    write_segment(file, [20 * b"a"], last=True)
    found = summarise(file.getvalue())
    assert found["duration_s"] == 1 / 16000 and found["bitrate_bps"] == 50 * 8 * len(file.getvalue())


def test_damage_is_an_error():
    data = stream(CODING)
    for damaged in (data[:-1], data + b"x", data[:40] + b"x" + data[41:]):
        with pytest.raises(BitstreamError):
            summarise(damaged)
