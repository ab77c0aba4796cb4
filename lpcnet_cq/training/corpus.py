"""Default corpora, which `make train` downloads and uses if no folder is given.

Speech: the wideband prompts of the Asterisk telephone exchange (2.1 hours, professional speakers, five languages,
55 MB), if the package tools of Debian are available; otherwise LibriSpeech dev-clean (5.4 hours, 40 readers, 338 MB).
Some speakers are held out for the evaluation. Music: the pieces of the Debian package `openttd-openmsx`, rendered with
a lossless General MIDI soundfont, and single drum sounds (470 MB to download, one hour); some pieces are held out.
"""

import csv
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

# The Russian speaker is held out, because the English and the Mexican prompts are credited to the same speaker.
ASTERISK_PACKAGES = {f"asterisk-core-sounds-{lang}-g722": lang for lang in ("en", "es", "fr", "it", "ru")}
ASTERISK_HELD_OUT = "ru"
ASTERISK_LICENCE = (
    "Asterisk prompts by Allison Smith, June Wallack, Carlo Flora (CC BY-SA 3.0) and Maxim Topal (CC BY 3.0);"
    " the full notices are stored with the recordings"
)
SOUNDS = "usr/share/asterisk/sounds"  # in a package
G722_RATE_HZ = 16000  # the only sample rate of ITU-T G.722

LIBRISPEECH_URL = "https://www.openslr.org/resources/12/dev-clean.tar.gz"
LIBRISPEECH_SHA256 = "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"
LIBRISPEECH_LICENCE = "LibriSpeech dev-clean by V. Panayotov et al., 2015 (CC BY 4.0)"

MUSIC_PACKAGES = ("openttd-openmsx", "musescore-general-soundfont-lossless", "hydrogen-drumkits")
PIECES, DRUMS = "*/usr/share/games/openttd/**/*.mid", "*/usr/share/hydrogen/**/*"
MUSIC_LICENCE = (
    "pieces of OpenMSX (GPL-2) through the MuseScore General soundfont (MIT), and Hydrogen's drum kits (GPL-2, CC0, CC"
    " BY 3.0, CC BY-SA 3.0); the full notices are stored with the recordings"
)
MUSIC_RATE_HZ = 44100  # sample rate of rendered music
MUSIC_HELD_OUT = ("be_sharp_bw_redfarn", "boogi_marabi_redfarn", "careless_perc_redfarn", "city_blues_redfarn")
MUSIC_HELD_OUT += ("ultimate_run", "wood_whistles")
LONGEST_S = 180  # maximum duration of a piece
SILENCE_S, SILENT = 3, 1e-4  # a piece ends after this duration of silence; largest amplitude of silence
DRUM_S = 8  # maximum duration of a drum sound

Row = tuple[str, str, str, str]  # row of an index: path, split, source, speaker
NO_DATA = (
    "no training data: the default corpora could not be downloaded ({reasons});"
    " give a folder of WAV, FLAC or OGG files with DATA=folder or --data folder, with one sub-folder per speaker"
)


def cache_folder() -> Path:
    """Return the folder of downloaded corpora and shards: $LPCNET_CQ_CACHE, or ~/.cache/lpcnet_cq."""
    return Path(os.environ.get("LPCNET_CQ_CACHE") or Path.home() / ".cache" / "lpcnet_cq")


def default_corpus(part: str = "speech/", cache: Path | None = None) -> Path:
    """Return a folder for `data.open_corpus`; download it the first time; print its licence to standard error.

    Parameters
    ----------
    part : "speech/" or "audio/".
    cache : folder of corpora, by default `cache_folder()`.

    Raises
    ------
    ValueError
        If there is no cached corpus and none can be downloaded.
    """
    cache = cache_folder() if cache is None else cache
    sources: list[tuple[str, str, Callable[[Path], None]]] = [
        ("asterisk", ASTERISK_LICENCE, fetch_asterisk),
        ("librispeech-dev-clean", LIBRISPEECH_LICENCE, fetch_librispeech),
    ]
    if part == "audio/":
        sources = [("music", MUSIC_LICENCE, fetch_music)]
    for name, licence, _ in sources:
        if (cache / name).is_dir():
            print(f"training data: {cache / name}, {licence}", file=sys.stderr)
            return cache / name
    reasons = []
    for name, licence, fetch in sources:
        cache.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="part-", dir=cache))
        try:
            (made / name).mkdir()
            print(f"downloading training data: {licence}", file=sys.stderr)
            fetch(made / name)
            os.replace(made / name, cache / name)
            return cache / name
        except (ImportError, OSError, ValueError, subprocess.SubprocessError) as e:
            reasons.append(f"{name}: {e}")
        finally:
            shutil.rmtree(made, ignore_errors=True)
    raise ValueError(NO_DATA.format(reasons="; ".join(reasons)))


# ------------------------------------------------------------------------------------------------ Asterisk


def fetch_asterisk(folder: Path) -> None:
    """Download, unpack and decode the prompts to `folder`, with an index in which one speaker is held out."""

    def convert(root: Path) -> list[Row]:
        sounds = ((speaker, root / package / SOUNDS) for package, speaker in ASTERISK_PACKAGES.items())
        rows = [row for speaker, path in sounds for row in convert_prompts(path, folder, speaker)]
        if not rows:
            raise ValueError("the packages hold no prompts")
        return rows

    fetch_packages(list(ASTERISK_PACKAGES), folder, convert)


def fetch_packages(names: list[str], folder: Path, convert: Callable[[Path], list[Row]]) -> None:
    """Create a corpus from Debian packages in `folder`, with an index and the licences of the packages.

    Parameters
    ----------
    names : list of str
    folder : Path
    convert : callable
        convert(root) writes recordings to `folder` and returns their rows of the index; package p is unpacked to
        root / p.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise ValueError("apt-get and dpkg are not installed")
    with tempfile.TemporaryDirectory() as work:
        download_packages(names, Path(work))
        root = Path(work) / "root"
        root.mkdir()
        for deb in sorted(Path(work).glob("*.deb")):
            package = deb.name.partition("_")[0]
            subprocess.run(["dpkg", "-x", deb, root / package], check=True, capture_output=True)
            shutil.copy(root / package / "usr/share/doc" / package / "copyright", folder / f"{package}.copyright")
        rows = convert(root)
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([("path", "split", "source", "speaker"), *rows])


def download_packages(names: list[str], work: Path) -> None:
    """Download Debian packages to `work`; needs neither root nor existing package lists."""
    (work / "lists" / "partial").mkdir(parents=True)
    own_lists = ["-o", f"Dir::State::lists={work / 'lists'}", "-o", f"Dir::Cache={work}"]
    attempts = [[["download", *names]], [[*own_lists, "update"], [*own_lists, "download", *names]]]
    message = ""
    for attempt in attempts:  # first with the existing package lists, then with new lists in `work`
        for arguments in attempt:
            done = subprocess.run(["apt-get", "-q", *arguments], cwd=work, capture_output=True, text=True)
            message = (done.stderr.strip().splitlines() or [""])[-1]
        if all(list(work.glob(f"{n}_*.deb")) for n in names):
            return
    raise ValueError(f"apt-get could not download the packages ({message})")


def convert_prompts(sounds: Path, folder: Path, speaker: str) -> list[Row]:
    """Decode the prompts of one language, joined to clips of at least 8 s, to FLAC files; return index rows."""
    split = "dev" if speaker == ASTERISK_HELD_OUT else "train"
    (folder / speaker).mkdir()
    rows = []
    prompts = [p for p in sorted(sounds.rglob("*.g722")) if p.parent.name != "silence"]
    for n, x in enumerate(tqdm(join_clips(prompts, 8.0), f"decoding {speaker}", unit="clip", leave=False)):
        path = f"{speaker}/{n:04d}.flac"
        soundfile.write(folder / path, x, G722_RATE_HZ)
        rows.append((path, split, "asterisk", speaker))
    return rows


def join_clips(prompts: list[Path], seconds: float) -> Iterator[np.ndarray]:
    """Yield int16 signals of consecutive prompts, each at least `seconds` long except the last."""
    parts: list[np.ndarray] = []
    for path in prompts:
        parts.append(decode_g722(path.read_bytes()))
        if sum(map(len, parts)) >= seconds * G722_RATE_HZ:
            yield np.concatenate(parts)
            parts = []
    if parts:
        yield np.concatenate(parts)


def decode_g722(data: bytes) -> np.ndarray:
    """Decode raw G.722 at 64 kbps, two samples per byte, to int16 (2 * len(data),) at 16 kHz."""
    import av  # needed only here

    decoder = av.CodecContext.create("g722", "r")
    frames = decoder.decode(av.Packet(data)) if data else []  # type: ignore[attr-defined]
    return np.concatenate([np.zeros(0, np.int16), *(f.to_ndarray()[0] for f in frames)])


# ------------------------------------------------------------------------------------------------ music


def fetch_music(folder: Path) -> None:
    """Download pieces, soundfont and drums; render and convert them to `folder`, with an index."""
    if importlib.util.find_spec("tinysoundfont") is None:  # checked before 470 MB are downloaded
        raise ValueError("no synthesiser is installed; `pip install --no-deps tinysoundfont` installs one")

    def convert(root: Path) -> list[Row]:
        rows = render_pieces(sorted(root.glob(PIECES)), next(root.rglob("*.sf2")), folder)
        return rows + convert_drums(sorted(root.glob(DRUMS)), folder)

    fetch_packages(list(MUSIC_PACKAGES), folder, convert)


def render_pieces(pieces: list[Path], soundfont: Path, folder: Path) -> list[Row]:
    """Render MIDI files to stereo FLAC files; return index rows."""
    import tinysoundfont  # pyright: ignore[reportMissingImports]  (needed only here)

    rows = []
    for piece in tqdm(pieces, "rendering", unit="piece", leave=False):
        synth = tinysoundfont.Synth(samplerate=MUSIC_RATE_HZ)
        synth.sfload(str(soundfont))
        sequencer = tinysoundfont.Sequencer(synth)  # must exist as long as it plays
        sequencer.midi_load(str(piece))
        seconds: list[np.ndarray] = []
        while len(seconds) < LONGEST_S and (len(seconds) < SILENCE_S or np.abs(seconds[-SILENCE_S:]).max() > SILENT):
            seconds.append(np.frombuffer(bytes(synth.generate(MUSIC_RATE_HZ)), np.float32).reshape(-1, 2))
        x = np.concatenate(seconds)
        split = "dev" if piece.stem in MUSIC_HELD_OUT else "train"
        path = f"audio/{split}/{piece.stem}.flac"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, x / max(1.0, np.abs(x).max()), MUSIC_RATE_HZ)
        rows.append((path, split, "openmsx", piece.stem))
    return rows


def convert_drums(files: list[Path], folder: Path) -> list[Row]:
    """Copy single sounds, truncated to `DRUM_S`, to FLAC files; return index rows, all for training."""
    (folder / "audio/train/drums").mkdir(parents=True)
    rows = []
    for file in (f for f in files if f.suffix.lower() in (".flac", ".wav")):
        try:
            x, rate_hz = soundfile.read(file, always_2d=True)
        except soundfile.SoundFileError:  # some kits contain formats that libsndfile cannot read
            continue
        path = f"audio/train/drums/{len(rows):04d}.flac"
        soundfile.write(folder / path, x[: DRUM_S * rate_hz, :2], rate_hz)
        rows.append((path, "train", "drums", "drums"))
    return rows


# ------------------------------------------------------------------------------------------------ LibriSpeech


def fetch_librispeech(folder: Path) -> None:
    """Download LibriSpeech dev-clean, check its SHA-256, and unpack its readers to `folder`."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        archive = Path(work) / "dev-clean.tar.gz"
        download(LIBRISPEECH_URL, archive, LIBRISPEECH_SHA256)
        with tarfile.open(archive) as tar:
            # Python before 3.11.4 has no filters; the archive is safe because its hash was checked.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(work)
        (Path(work) / "LibriSpeech" / "dev-clean").rename(folder / "dev-clean")


def download(url: str, path: Path, sha256: str) -> None:
    """Download `url` to `path` and check the hash.

    Raises
    ------
    ValueError
        If the hash does not match.
    """
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=30) as response, open(path, "wb") as f:
        total = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(desc=path.name, total=total, unit="B", unit_scale=True, leave=False) as bar:
            while block := response.read(1 << 20):
                f.write(block)
                digest.update(block)
                bar.update(len(block))
    if digest.hexdigest() != sha256:
        raise ValueError(f"the file from {url} has SHA-256 {digest.hexdigest()}, it must be {sha256}")
