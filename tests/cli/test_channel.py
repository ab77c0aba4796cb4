"""`lpcnet-cq channel` around a stand-in codec whose packets are samples: lost ones are silent, the others as before."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import lpcnet_cq
from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.channel import burst_losses, random_losses
from lpcnet_cq.cli import main, models

FS, HOP, AHEAD, LATE = 16000, 320, 128, 64  # Hz; samples of a packet, of the look-ahead, of the decoder's delay
SECONDS = 4


class Encoder:
    """With `dtx`, silent packets are not sent."""

    delay_samples = AHEAD

    def __init__(self, copy_offset, dtx):
        self.copy_offset, self.dtx, self.held = copy_offset, dtx, np.zeros(AHEAD, np.float32)

    def push(self, x):
        x = np.concatenate([self.held, x])
        whole = len(x) // HOP * HOP
        self.held = x[whole:]
        frames = x[:whole].reshape(-1, HOP)
        return [to_pcm16(frame).tobytes() if frame.any() or not self.dtx else b"" for frame in frames]

    def flush(self):
        return self.push(np.zeros(2 * HOP - len(self.held), np.float32))


class Decoder:
    delay_samples = LATE

    def __init__(self):
        self.held = np.zeros(LATE, np.float32)

    def push(self, data, following=None, next_packet=None, distance=1):
        pcm = np.frombuffer(data, "<i2") if data else np.zeros(HOP)
        y = np.concatenate([self.held, pcm / 32768])
        self.held = y[HOP:]
        return y[:HOP].astype(np.float32)


class StandIn:
    bitrates_bps, default_bitrate_bps = (9000, 24000), 9000
    sample_rate_hz, channels, name = FS, 1, "stand-in"
    config = SimpleNamespace(spec=SimpleNamespace(hop=HOP))

    supports_dtx = True

    def encoder(self, bitrate_bps, expected_loss, copy_offset, dtx):
        self.asked_bps, self.told = bitrate_bps, expected_loss
        return Encoder(copy_offset, dtx)

    def decoder(self):
        return Decoder()


@pytest.fixture(autouse=True)
def codec(monkeypatch, tmp_path):
    """Stand in for the real codec, in a folder with one recording, `in.wav`."""
    monkeypatch.chdir(tmp_path)
    models.loaded.cache_clear()
    standin = StandIn()
    monkeypatch.setattr(lpcnet_cq, "load", lambda name=None, backend=None: standin)
    x = 0.3 * np.random.default_rng(0).uniform(0.1, 1, SECONDS * FS - 100)  # no sample is zero
    soundfile.write("in.wav", x, FS)
    yield standin
    models.loaded.cache_clear()


def numbers(text):
    """Return what was printed, by name."""
    return {name.strip(): float(value) for name, value in re.findall(r"^([a-z ]+?) +(-?[\d.]+)", text, re.MULTILINE)}


@pytest.mark.parametrize("burst", [None, 3])
def test_lost_packets_are_silent_and_the_others_as_they_were(capsys, burst):
    more = [] if burst is None else ["--burst", str(burst)]
    assert main(["channel", "in.wav", "out.wav", "--loss", "20", "--seed", "3", *more]) == 0
    said = numbers(capsys.readouterr().out)
    n = (SECONDS * FS - 100 + AHEAD) // HOP + 2
    lost = random_losses(n, 0.2, 3) if burst is None else burst_losses(n, 0.2, burst, 3)
    x, y = soundfile.read("in.wav")[0], soundfile.read("out.wav")[0]
    silent = np.repeat(lost, HOP)[AHEAD : AHEAD + len(x)]  # the first packet begins with the look-ahead's silence
    np.testing.assert_array_equal(y, np.where(silent, 0, x))
    assert said["packets"] == n and said["lost"] == lost.sum() > 20
    assert said["share lost"] == pytest.approx(100 * lost.mean(), abs=0.01)
    assert said["mean burst"] == pytest.approx(lost.sum() / np.sum(np.diff(lost.astype(int), prepend=0) > 0), abs=0.01)
    assert said["bitrate"] == 16 * FS


def test_nothing_is_lost_at_zero_percent_and_all_at_hundred(codec, capsys):
    assert main(["channel", "in.wav", "-o", "out.wav", "--loss", "0", "--bitrate", "12k"]) == 0
    np.testing.assert_array_equal(soundfile.read("in.wav")[0], soundfile.read("out.wav")[0])
    assert numbers(capsys.readouterr().out)["mean burst"] == 0 and codec.asked_bps == 12000
    assert main(["channel", "in.wav", "out.wav", "-f", "--loss", "100"]) == 0
    assert not soundfile.read("out.wav")[0].any()


@pytest.mark.parametrize(("more", "told"), [([], 0.05), (["--expected-loss", "20"], 0.2)])
def test_the_encoder_is_told_of_the_loss(codec, more, told):
    assert main(["channel", "in.wav", "out.wav", "--loss", "5", *more]) == 0
    assert codec.told == told


def test_packets_that_are_not_sent_are_not_lost(capsys):
    x = 0.3 * np.random.default_rng(0).uniform(0.1, 1, SECONDS * FS)
    x[FS : 3 * FS] = 0  # 99 packets of silence; the last one is silent, too
    soundfile.write("pause.wav", x, FS)
    assert main(["channel", "pause.wav", "out.wav", "--loss", "20", "--dtx"]) == 0
    said = numbers(capsys.readouterr().out)
    lost = random_losses(int(said["packets"] - said["not sent"]), 0.2, 0)
    assert said["not sent"] == 100 and said["lost"] == lost.sum()
    assert said["share lost"] == pytest.approx(100 * lost.mean(), abs=0.01)


@pytest.mark.parametrize(("more", "offset"), [([], 2), (["--copy-offset", "5"], 5)])
def test_the_decoder_gets_the_packet_with_the_copy(monkeypatch, more, offset):
    """And the first of the next three that was received."""
    given, sent, push = [], [], Encoder.push
    monkeypatch.setattr(Encoder, "push", lambda self, x: sent.extend(packets := push(self, x)) or packets)
    monkeypatch.setattr(Decoder, "push", lambda self, *arguments: given.append(arguments) or np.zeros(HOP, np.float32))
    assert main(["channel", "in.wav", "out.wav", "--loss", "20", *more]) == 0
    given = [(*arguments, None, None, 1)[:4] for arguments in given] + [(None,) * 4] * 5
    repaired = [t for t in range(len(sent)) if given[t][0] is None]
    assert len(repaired) > 20
    for t in repaired:
        received = [d for d in (1, 2, 3) if given[t + d][0] is not None] or [1]
        assert given[t] == (None, given[t + offset][0], given[t + received[0]][0], received[0])


def test_music_has_no_pauses(codec, capsys):
    codec.supports_dtx = False
    assert main(["channel", "in.wav", "out.wav", "--loss", "5", "--dtx"]) == 2
    assert "--dtx is for speech" in capsys.readouterr().err


def test_other_sample_rates_come_back_with_their_length(capsys):
    soundfile.write("in48.wav", 0.3 * np.sin(np.arange(48011) / 60), 48000)
    assert main(["channel", "in48.wav", "out.wav", "--loss", "0"]) == 0
    y, rate_hz = soundfile.read("out.wav")
    assert (len(y), rate_hz) == (48011, 48000)
    np.testing.assert_allclose(y[1000:-1000], soundfile.read("in48.wav")[0][1000:-1000], atol=1e-3)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--loss", "80", "--burst", "3"], "--loss and --burst: `loss` is 0.8, with"),
        (["--loss", "5", "--burst", "0.5"], "--burst: `mean_burst` is 0.5, it must be at least 1 packet"),
        (["--loss", "5", "--bitrate", "8k"], "from 9000 to 24000"),
    ],
)
def test_settings_out_of_range_are_errors_of_usage(capsys, tmp_path, more, words):
    assert main(["channel", "in.wav", "out.wav", *more]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and words in said[0]
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("more", [[], ["--loss", "101"], ["--loss", "nan"], ["--loss", "x"], ["--loss", "-1"]])
def test_a_percentage_is_needed(capsys, more):
    with pytest.raises(SystemExit) as left:
        main(["channel", "in.wav", "out.wav", *more])
    assert left.value.code == 2 and "--loss" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "4294967296", "x"])
def test_seeds_are_whole_numbers(capsys, seed):
    with pytest.raises(SystemExit) as left:
        main(["channel", "in.wav", "out.wav", "--loss", "5", "--seed", seed])
    said = f"argument --seed: '{seed}' is not a whole number from 0 to 4294967295"
    assert left.value.code == 2 and said in capsys.readouterr().err


def test_a_file_that_is_no_recording_is_an_error_of_data(capsys, tmp_path):
    (tmp_path / "not.wav").write_bytes(b"no sound")
    assert main(["channel", "not.wav", "out.wav", "--loss", "5"]) == 1
    assert "not.wav" in capsys.readouterr().err and not (tmp_path / "out.wav").exists()
