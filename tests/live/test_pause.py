"""Discontinuous transmission: what the encoder sends in pauses, and what the decoder makes of it."""

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream.descriptor import MARK
from lpcnet_cq.bitstream.packet import resets_context
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.live.pause import INTERVAL, Pause, PauseDetector

HOP, FS = 320, 16000
NOISE = 10 ** (-50 / 20)


def noise(n_packets, level=NOISE, seed=0):
    return level * np.random.default_rng(seed).standard_normal(n_packets * HOP)


@pytest.fixture(scope="module")
def talk(vowel):
    """Return 1.2 s of background, 0.6 s of speech, 1.6 s of background."""
    x = noise(170)
    x[60 * HOP : 90 * HOP] += vowel(seconds=0.6)
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def packets(speech_codec, talk):
    return speech_codec.encoder(30000, dtx=True).push(talk)


def kinds(packets):
    """Return "." for packets that are not sent, "s" for silence descriptors, "A" for others."""
    return "".join("." if not data else "s" if data.endswith(MARK) else "A" for data in packets)


def test_descriptors_follow_each_other_in_pauses(packets):
    """After the hangover one is sent, then every eighth packet, at once where the level changes."""
    found = kinds(packets)
    speech = found.index("A", 20)
    assert found[:15] == 15 * "A" and 58 <= speech <= 61
    assert found[15:speech] == ("s" + (INTERVAL - 1) * ".")[: speech - 15].ljust(speech - 15) or "s......." in found
    end = found.index("s", speech)
    assert found[speech:end] == (end - speech) * "A" and 97 <= end <= 105
    assert found[end:].count("A") == 0 and found[end + 16 :].count("s") in range(6, 9)


def test_packets_of_speech_are_coded_without_the_pause(speech_codec, packets):
    """The first packet behind a pause resets the context; descriptors always do."""
    found = kinds(packets)
    entropy = speech_codec._parts.entropy
    first = [t for t in range(1, len(found)) if found[t] == "A" and found[t - 1] in "s."]
    descriptors = [t for t, kind in enumerate(found) if kind == "s"]
    assert first and len(descriptors) > 10
    assert all(resets_context(entropy, packets[t]) for t in first + descriptors)


def test_comfort_noise_has_the_level_of_the_background(speech_codec, talk, packets):
    decoder = speech_codec.decoder()
    y = np.concatenate([decoder.push(data) for data in packets])[192:]
    for part in (slice(20 * HOP, 58 * HOP), slice(112 * HOP, 168 * HOP)):
        assert abs(10 * np.log10(np.mean(y[part] ** 2) / np.mean(talk[part] ** 2))) < 1


def test_a_lost_packet_in_a_pause_is_one_that_was_not_sent(speech_codec, packets):
    last = kinds(packets).rindex("s") - 8
    whole, lossy = speech_codec.decoder(), speech_codec.decoder()
    for data in packets[: last + 1]:
        whole.push(data)
        lossy.push(data)
    for t in range(last + 1, last + 8):
        np.testing.assert_array_equal(whole.push(b""), lossy.push(None), err_msg=str(t))


def test_a_lost_descriptor_leaves_the_noise_of_the_last_packet(speech_codec, talk, packets):
    end = kinds(packets).index("s", 70)
    decoder = speech_codec.decoder()
    for data in packets[:end]:
        decoder.push(data)
    decoder.push(None)
    y = np.concatenate([decoder.push(b"") for _ in range(7)])
    assert abs(10 * np.log10(np.mean(y**2) / np.mean(talk[:HOP] ** 2))) < 3


def test_a_decoder_that_joins_in_a_pause_is_silent_until_a_descriptor(speech_codec, packets):
    t = kinds(packets).index("s")
    decoder = speech_codec.decoder()
    assert not decoder.push(b"").any()
    assert decoder.push(packets[t]).any()


def test_packets_behind_a_pause_need_their_context_reset(speech_codec, packets):
    """If the first packet of speech is lost, those behind it are noise until the next reset, not read by chance."""
    first = kinds(packets).index("A", 20)
    decoder = speech_codec.decoder()
    for data in packets[:first]:
        decoder.push(data)
    decoder.push(None)
    y = decoder.push(packets[first + 1])
    assert 0 < np.sqrt(np.mean(y**2)) < 3 * NOISE


def test_packets_do_not_depend_on_the_size_of_calls(speech_codec, talk, packets):
    encoder, found = speech_codec.encoder(30000, dtx=True), []
    for start in range(0, len(talk), 701):
        found += encoder.push(talk[start : start + 701])
    assert found == packets


def test_transmission_of_pauses_can_be_changed(speech_codec, talk):
    encoder = speech_codec.encoder(30000)
    assert encoder.dtx is False
    assert "." not in kinds(encoder.push(talk[: 20 * HOP]))
    encoder.dtx = True
    assert "." in kinds(encoder.push(talk[20 * HOP : 55 * HOP]))
    encoder.dtx = False
    sent = encoder.push(talk[55 * HOP : 58 * HOP])
    assert kinds(sent) == "AAA" and resets_context(speech_codec._parts.entropy, sent[0])


def test_pauses_do_not_change_the_budget(speech_codec, talk):
    encoder = speech_codec.encoder(30000, dtx=True)
    encoder.push(talk[: 20 * HOP])
    before = encoder._budget
    encoder.push(talk[20 * HOP : 50 * HOP])
    assert encoder._budget is before


def test_no_descriptor_is_larger_than_the_cap(speech_codec, talk):
    found = speech_codec.encoder(16000, mode="capped", dtx=True).push(talk)
    assert max(map(len, found)) <= 40 and "s......." in kinds(found)


def test_the_level_of_the_background_is_followed():
    """A descriptor is sent four packets after the level fell; louder background is activity at first."""
    side, detector = np.zeros((1, 21), np.int64), PauseDetector(FS)
    x = np.concatenate([noise(60), noise(20, NOISE / 3, seed=1)]).reshape(-1, HOP)
    found = [detector.next(frame, side + t) for t, frame in enumerate(x)]
    descriptors = [t for t, pause in enumerate(found) if pause is not None and pause.side is not None]
    assert descriptors[:6] == [15, 23, 31, 39, 47, 55] and 60 < descriptors[6] < 63
    pause = found[descriptors[6]]
    assert pause == Pause(pause.side) and pause.side[0, 0] == round(descriptors[6] - 1.5)
    assert found[31].side[0, 0] == round(31 - 3.5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtx": 1}, "`dtx` is 1, it must be True or False"),
        ({"dtx": True, "mode": "constant"}, "`dtx` leaves out packets, which the mode `constant` does not allow"),
        ({"dtx": True, "layers": 2}, "`dtx` needs packets of one layer, `layers` is 2"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(speech_codec, options, sentence):
    with pytest.raises(ValueError) as error:
        speech_codec.encoder(50000, **options)
    assert str(error.value) == sentence


def test_codecs_without_pauses_refuse_packets_without_bytes():
    with pytest.raises(BitstreamError, match="a packet has no bytes"):
        lpcnet_cq.load("audio").decoder().push(b"")
