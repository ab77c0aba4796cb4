import hashlib
import shutil
import subprocess
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from lpcnet_cq.training import corpus
from lpcnet_cq.training.data import open_corpus


def g722(x):
    """Encode int16 (n,) with another implementation's encoder: the judge of the decoder."""
    av = pytest.importorskip("av")
    encoder = av.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.format, encoder.layout = corpus.G722_RATE_HZ, "s16", "mono"
    frame = av.AudioFrame.from_ndarray(x[None], "s16", "mono")
    frame.sample_rate = corpus.G722_RATE_HZ
    return b"".join(bytes(p) for p in encoder.encode(frame))


def tone(seconds, frequency_hz=700.0):
    t = np.arange(round(seconds * corpus.G722_RATE_HZ)) / corpus.G722_RATE_HZ
    return np.round(9000 * np.sin(2 * np.pi * frequency_hz * t)).astype(np.int16)


def make_deb(path, package, prompts):
    """Pack prompts as Debian does."""
    root = path.parent / f"tree-{package}"
    for name, data in prompts.items():
        file = root / "usr/share/asterisk/sounds/xx_XX_f_Name" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (root / "usr/share/doc" / package).mkdir(parents=True)
    (root / "usr/share/doc" / package / "copyright").write_text("CC-BY-SA-3.0")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
    )
    subprocess.run(["dpkg-deb", "--build", root, path], check=True, capture_output=True)


def test_g722_decoder_gives_back_what_was_encoded():
    x = tone(0.5)
    y = corpus.decode_g722(g722(x))
    assert y.shape == x.shape
    assert y.dtype == np.int16
    lag = 22  # of the two quadrature mirror filters
    error = y[lag:].astype(float) - x[:-lag]
    assert 10 * np.log10(np.mean(x[:-lag].astype(float) ** 2) / np.mean(error[800:] ** 2)) > 25
    assert corpus.decode_g722(b"").shape == (0,)


def test_prompts_are_joined_in_order_and_none_is_lost(tmp_path):
    paths = []
    for i, seconds in enumerate((0.5, 0.7, 1.5, 0.2)):
        paths.append(tmp_path / f"{i}.g722")
        paths[-1].write_bytes(g722(tone(seconds)))
    lengths = [len(x) for x in corpus.join_clips(paths, 1.0)]
    assert lengths == [round(s * corpus.G722_RATE_HZ) for s in (1.2, 1.5, 0.2)]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None or shutil.which("apt-get") is None, reason="no Debian tools")
def test_asterisk_packages_become_a_corpus_with_a_held_out_speaker(tmp_path, monkeypatch):
    prompt = g722(tone(1.0))

    def no_network(names, work):
        for name in names:
            make_deb(work / f"{name}_1_all.deb", name, {"hello.g722": prompt, "digits/1.g722": prompt})

    monkeypatch.setattr(corpus, "download_packages", no_network)
    folder = corpus.default_corpus(cache=tmp_path / "cache")
    clips = open_corpus(folder)
    assert {c.speaker for c in clips if c.split == "dev"} == {"ru"}
    assert {c.speaker for c in clips if c.split == "train"} == {"en", "es", "fr", "it"}
    assert soundfile.info(clips[0].path).frames == 2 * corpus.G722_RATE_HZ
    assert len(list(folder.glob("*.copyright"))) == 5


@pytest.mark.parametrize("filters", [True, False], ids=["now", "python 3.11.0 to 3.11.3"])
def test_elsewhere_librispeech_is_fetched(tmp_path, monkeypatch, filters):
    if not filters:
        if sys.version_info >= (3, 12):
            pytest.skip("every such Python has filters")
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    source = tmp_path / "LibriSpeech" / "dev-clean"
    for speaker in ("84", "174"):
        (source / speaker / "1").mkdir(parents=True)
        soundfile.write(source / speaker / "1" / f"{speaker}-1-0000.flac", tone(0.1), corpus.G722_RATE_HZ)
    archive = tmp_path / "dev-clean.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source.parent, "LibriSpeech")
    monkeypatch.setattr(corpus.shutil, "which", lambda name: None)
    monkeypatch.setattr(corpus, "LIBRISPEECH_URL", archive.as_uri())
    monkeypatch.setattr(corpus, "LIBRISPEECH_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    folder = corpus.default_corpus(cache=tmp_path / "cache")
    assert {c.speaker for c in open_corpus(folder)} == {"84", "174"}
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["librispeech-dev-clean"]


def test_wrong_hash_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"other bytes")
    with pytest.raises(ValueError, match="SHA-256"):
        corpus.download((tmp_path / "a").as_uri(), tmp_path / "b", "0" * 64)


def test_no_network_is_one_clear_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus.shutil, "which", lambda name: None)
    monkeypatch.setattr(corpus, "LIBRISPEECH_URL", (tmp_path / "nothing").as_uri())
    with pytest.raises(ValueError, match=r"no training data: .* DATA=folder") as e:
        corpus.default_corpus(cache=tmp_path / "cache")
    assert "\n" not in str(e.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_was_fetched_once_is_used_again(tmp_path, capsys):
    (tmp_path / "asterisk").mkdir()
    assert corpus.default_corpus(cache=tmp_path) == tmp_path / "asterisk"
    assert "CC BY-SA 3.0" in capsys.readouterr().err


def test_cache_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LPCNET_CQ_CACHE", str(tmp_path))
    assert corpus.cache_folder() == tmp_path
    monkeypatch.setenv("LPCNET_CQ_CACHE", "")
    assert corpus.cache_folder().parts[-2:] == (".cache", "lpcnet_cq")


# ------------------------------------------------------------------------------------------------ music


class Player:
    """Stand in for the synthesiser: a second of tone, then silence, in stereo."""

    def __init__(self, samplerate):
        self.played = 0

    def sfload(self, path):
        assert path.endswith(".sf2")

    def generate(self, n):
        self.played += 1
        return memoryview(1.5 * np.sin(np.arange(2 * n, dtype=np.float32)) * (self.played == 1))


def test_pieces_are_rendered_until_they_are_silent(tmp_path, monkeypatch):
    midi = SimpleNamespace(midi_load=lambda path: None)
    synthesiser = SimpleNamespace(Synth=Player, Sequencer=lambda synth: midi)
    monkeypatch.setitem(sys.modules, "tinysoundfont", synthesiser)
    pieces = [tmp_path / f"{name}.mid" for name in ("march", corpus.MUSIC_HELD_OUT[0])]
    rows = corpus.render_pieces(pieces, tmp_path / "font.sf2", tmp_path)
    assert [(split, speaker) for _, split, _, speaker in rows] == [("train", "march"), ("dev", pieces[1].stem)]
    x, rate_hz = soundfile.read(tmp_path / rows[0][0])
    assert rate_hz == corpus.MUSIC_RATE_HZ and x.shape == ((1 + corpus.SILENCE_S) * rate_hz, 2)
    assert np.abs(x).max() == pytest.approx(1, abs=1e-3) and not x[rate_hz:].any()


def test_without_a_synthesiser_nothing_is_fetched_and_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(corpus.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(corpus, "download_packages", lambda names, work: pytest.fail("fetched"))
    with pytest.raises(ValueError, match="pip install --no-deps tinysoundfont"):
        corpus.default_corpus("audio/", tmp_path)


def test_drums_are_cut_and_what_cannot_be_read_is_left_out(tmp_path):
    kit = tmp_path / "kit"
    kit.mkdir()
    soundfile.write(kit / "long.wav", np.zeros((9 * 8000, 3)), 8000)
    soundfile.write(kit / "short.flac", np.zeros(100), 8000)
    (kit / "odd.wav").write_bytes(b"RIFF, but no sound")
    (kit / "drumkit.xml").write_text("")
    rows = corpus.convert_drums(sorted(kit.iterdir()), tmp_path)
    assert [split for _, split, _, _ in rows] == ["train", "train"]
    shapes = [soundfile.read(tmp_path / path, always_2d=True)[0].shape for path, *_ in rows]
    assert shapes == [(corpus.DRUM_S * 8000, 2), (100, 1)]
