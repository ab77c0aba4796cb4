"""Write the conformance vectors of the `.cq` format, or check that encoding still gives the same bytes.

    python tests/vectors/make.py           # write files that do not exist yet, and the index
    python tests/vectors/make.py --check   # encode every input again and compare the bytes behind the header
    python tests/vectors/make.py --sound NAME  # decode a stream again and write its PCM, after a change of the decoder

Every vector is a stream `NAME.cq` and `NAME.npz` with what a decoder makes of it: the integers `step` (T,), `side`
(T, K) and `latents` (T, S, D), and the output `pcm`, 16-bit integers (n,) or (n, 2). A live vector is `NAME.npz`
alone: `packets`, all bytes in a row, `sizes` (T,), 0 for a lost packet, and the live decoder's `pcm`. `index.json` has
for each vector how it was made, and the SHA-256 of the bytes.

Inputs are computed, not recorded: pulses through resonances, bursts of noise, pauses, clicks, plucked chords. Integers
decode alike on every machine. PCM is computed in floating point, so it may differ by one step of 16 bits on another
machine; and an encoder there may write other bytes, because rounding to integers follows floating-point analysis.
Vectors are never written again: an existing file stays as it is. The exception is the `pcm` of vectors of speech, which
differs by up to 491 steps of 16 bits since filters are computed in double precision, and that of `cq3-9k-live` since
live decoders have a formant postfilter; encoding their inputs again gives other bytes. Capped and live vectors without
`constant` in their names show the rate control of the first releases.
"""

import argparse
import io
import json
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

import lpcnet_cq.codec
from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.bitstream.container import MAGIC
from lpcnet_cq.bitstream.packet import join

FOLDER = Path(__file__).parent
INDEX = FOLDER / "index.json"


COPY_OFFSET = 2  # packets: that of encoders by default


@dataclass(frozen=True)
class Recipe:
    """Say how a vector is made; `mode` is mean, capped, constant, thinned (from two layers), live, or stream.

    A vector of mode live is packets, one of mode stream is a live stream, with header and end.
    """

    name: str
    weights: str
    signal: str
    seconds: float
    bitrate_bps: int
    layers: int = 1
    mode: str = "mean"
    sample_rate_hz: int = 16000
    channels: int = 1
    lost: tuple[int, ...] = ()  # packets of a live stream that the decoder does not get
    expected_loss: float = 0.0  # of a live stream
    peak: float = 0.5  # of the input
    dtx: bool = False  # of a live stream with header


RECIPES = (
    Recipe("cq-9k", "cq", "syllables", 1.5, 9000),
    Recipe("cq-12k", "cq", "bursts", 1.0, 12000),
    Recipe("cq-16k", "cq", "vowel", 1.0, 16000),
    Recipe("cq-24k", "cq", "syllables", 1.0, 24000),
    Recipe("cq-24k-clicks", "cq", "clicks", 1.0, 24000),
    Recipe("cq-24k-layers", "cq", "syllables", 1.0, 24000, 2),
    Recipe("cq-24k-thinned", "cq", "syllables", 1.0, 24000, 2, "thinned"),
    Recipe("cq-9k-capped", "cq", "clicks", 1.0, 9000, 1, "capped"),
    Recipe("cq-16k-capped", "cq", "syllables", 1.0, 16000, 1, "capped"),
    Recipe("cq-24k-capped-layers", "cq", "syllables", 1.0, 24000, 2, "capped"),
    Recipe("cq-9k-segments", "cq", "pause", 10.2, 9000),
    Recipe("cq-12k-8khz", "cq", "syllables", 1.0, 12000, sample_rate_hz=8000),
    Recipe("cq-16k-44khz-stereo", "cq", "chords", 0.7, 16000, sample_rate_hz=44100, channels=2),
    Recipe("cq-9k-empty", "cq", "vowel", 0, 9000),
    Recipe("cq-9k-sample", "cq", "vowel", 1 / 16000, 9000),
    Recipe("cq-9k-live", "cq", "syllables", 1.2, 9000, mode="live", lost=(20,)),
    Recipe("cq-24k-layers-live", "cq", "vowel", 1.2, 24000, 2, "live", lost=(30,)),
    Recipe("cq-sparse-9k", "cq-sparse", "syllables", 1.0, 9000),
    Recipe("cq-sparse-16k", "cq-sparse", "bursts", 1.0, 16000),
    Recipe("cq-sparse-24k-layers", "cq-sparse", "vowel", 1.0, 24000, 2),
    Recipe("cq-sparse-12k-capped", "cq-sparse", "syllables", 1.0, 12000, 1, "capped"),
    Recipe("audio-64k-mono", "audio", "chords", 0.6, 64000, sample_rate_hz=44100),
    Recipe("audio-48k", "audio", "chords", 0.6, 48000, sample_rate_hz=44100, channels=2),
    Recipe("audio-96k", "audio", "chords", 0.6, 96000, sample_rate_hz=44100, channels=2),
    Recipe("audio-128k-48khz", "audio", "chords", 0.5, 128000, sample_rate_hz=48000, channels=2),
    Recipe("audio-80k-capped", "audio", "chords", 0.5, 80000, 1, "capped", 44100, 2),
    Recipe("audio-96k-clicks", "audio", "clicks", 0.4, 96000, sample_rate_hz=44100),
    Recipe("audio-64k-empty", "audio", "chords", 0, 64000, sample_rate_hz=44100, channels=2),
    # from here on with a header extension
    Recipe("cq-9k-length", "cq", "pause", 72001 / 48000, 9000, sample_rate_hz=48000),
    Recipe("cq-24k-length-thinned", "cq", "syllables", 11027 / 22050, 24000, 2, "thinned", 22050),
    Recipe("cq-sparse-16k-length-capped", "cq-sparse", "vowel", 0.3, 16000, 1, "capped"),
    Recipe("cq-9k-length-empty", "cq", "vowel", 0, 9000, sample_rate_hz=44100),
    Recipe("audio-96k-length", "audio", "chords", 14401 / 48000, 96000, sample_rate_hz=48000, channels=2),
    # packets of constant size
    Recipe("cq-12k-constant", "cq", "syllables", 1.0, 12000, 1, "constant"),
    Recipe("cq-24k-constant-layers", "cq", "clicks", 1.0, 24000, 2, "constant"),
    Recipe("audio-96k-constant", "audio", "clicks", 0.4, 96000, 1, "constant", 44100),
    # live streams with header and end
    Recipe("cq-9k-stream", "cq", "syllables", 22051 / 22050, 9000, 1, "stream", 22050),
    Recipe("cq-24k-layers-stream", "cq", "vowel", 0.7, 24000, 2, "stream"),
    Recipe("audio-96k-stream", "audio", "chords", 0.4, 96000, 1, "stream", 48000, 2),
    # weights that are trained for context resets and losses
    Recipe("cq3-9k", "cq3", "syllables", 1.0, 9000),
    Recipe("cq3-16k-capped", "cq3", "syllables", 0.7, 16000, 1, "capped"),
    Recipe("cq3-24k-layers", "cq3", "vowel", 0.7, 24000, 2),
    Recipe("cq3-9k-live", "cq3", "syllables", 1.2, 9000, mode="live", lost=(20, 21, 40), expected_loss=0.05),
    Recipe("cq3-16k-copies-live", "cq3", "vowel", 1.0, 16000, mode="live", lost=(20, 30, 31), expected_loss=0.05),
    # levels far from the usual one, and pauses
    Recipe("cq3-9k-faint", "cq3", "syllables", 1.0, 9000, peak=0.001),
    Recipe("cq3-12k-loud-live", "cq3", "clicks", 1.0, 12000, mode="live", lost=(35,), expected_loss=0.05, peak=1.0),
    Recipe("cq3-9k-pause-stream", "cq3", "pause", 1.5, 9000, mode="stream", dtx=True),
)


def signal(recipe: Recipe) -> np.ndarray:
    """Return a recipe's input: float32 (n,) or (n, 2), in -1..1."""
    fs = recipe.sample_rate_hz
    time = np.arange(round(recipe.seconds * fs)) / fs
    x = globals()[recipe.signal](time, fs) if len(time) else np.zeros((0, 2))
    x = x if recipe.channels == x.shape[1] else x.mean(axis=1, keepdims=True)
    x = x if recipe.channels == 2 else x[:, 0]
    return np.float32(recipe.peak * x / max(np.abs(x).max(initial=0), 1e-9))


def vowel(time, fs, f0_hz=130):
    """Pulses, slowly gliding and swelling, through three resonances, and a little noise."""
    phase = np.cumsum(f0_hz * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * time))) / fs
    x = np.diff(np.floor(phase), prepend=0) + 0.02 * np.random.default_rng(1).standard_normal(len(time))
    for f_hz in (500, 1500, 2500):
        radius = np.exp(-np.pi * 90 / fs)
        x = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * f_hz / fs), radius**2], x)
    return (x * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)))[:, None]


def bursts(time, fs):
    """Noise of rising frequency in bursts of many levels, digital silence between them."""
    noise = np.diff(np.random.default_rng(2).standard_normal(len(time)), prepend=0)
    return (noise * 10.0 ** (-2 * (3 * time % 1)) * (7 * time % 1 < 0.6))[:, None]


def syllables(time, fs):
    """Vowel, hiss and pause in turn, 2.5 times a second, over faint noise."""
    voice, hiss = vowel(time, fs, 190), bursts(time, fs)
    place = (2.5 * time % 1)[:, None]
    faint = 1e-4 * np.random.default_rng(3).standard_normal((len(time), 1))
    return voice / np.abs(voice).max() * (place < 0.55) + 0.1 * hiss * (place > 0.6) * (place < 0.8) + faint


def clicks(time, fs):
    """Clicks of full scale in silence, then a square wave, then silence."""
    random = np.random.default_rng(4)
    x = np.where(random.random(len(time)) < 0.002, random.choice([-1.0, 1.0], len(time)), 0)
    square = np.sign(np.sin(2 * np.pi * 230 * time))
    share = time / max(time[-1], 1e-9)
    return np.where(share < 0.5, x, square * (share < 0.8))[:, None]


def pause(time, fs):
    """One vowel and a long pause of digital silence, and a vowel at the end."""
    return vowel(time, fs) * ((time < 0.2) | (time > 10.1))[:, None]


def chords(time, fs):
    """Plucked chords and hiss, each elsewhere between left and right."""
    decay = np.exp(-6 * (time % 0.25))
    low, high = (sum(np.sin(2 * np.pi * f * k * time) / k for k in range(1, 12)) * decay for f in (196, 523))
    hiss = np.diff(np.random.default_rng(5).standard_normal(len(time)), prepend=0) * np.exp(-40 * (time % 0.125))
    return np.stack([low + 0.4 * high + 0.2 * hiss, 0.5 * low + high + 0.1 * hiss], axis=1)


def encode(recipe: Recipe) -> tuple[bytes, list[int]]:
    """Return the bytes of a vector and, of a live one, the sizes of its packets."""
    codec, x = loaded(recipe.weights, None), signal(recipe)
    if recipe.mode == "live":
        encoder = codec.encoder(recipe.bitrate_bps, recipe.layers, expected_loss=recipe.expected_loss)
        hop = encoder.frame_size
        packets = encoder.push(x[: len(x) // hop * hop])
        packets = [b"" if t in recipe.lost else packet for t, packet in enumerate(packets)]
        return b"".join(packets), [len(packet) for packet in packets]
    if recipe.mode == "stream":
        file = io.BytesIO()
        given = recipe.sample_rate_hz, recipe.channels, recipe.bitrate_bps, recipe.layers
        codec.encode_live(file, [x], *given, dtx=recipe.dtx)
        return file.getvalue(), []
    mode = "mean" if recipe.mode == "thinned" else recipe.mode
    data = codec.encode(x, recipe.sample_rate_hz, recipe.bitrate_bps, recipe.layers, mode)
    return (codec.thin(data, 1) if recipe.mode == "thinned" else data), []


@cache
def loaded(weights: str, backend: str | None) -> lpcnet_cq.codec.Codec:
    """Load weights once."""
    return lpcnet_cq.load(weights, backend)


def decode(recipe: dict, data: bytes, sizes, backend: str | None = None) -> dict[str, np.ndarray]:
    """Return what the decoder makes of a vector: `pcm` and, of a file, the integers."""
    codec = loaded(recipe["weights"], backend)
    if recipe["mode"] == "live":
        decoder, ends = codec.decoder(recipe["layers"]), np.cumsum(sizes)
        packets = [data[end - size : end] or None for end, size in zip(ends, sizes, strict=True)]
        following = [*packets[COPY_OFFSET:], *COPY_OFFSET * [None]]
        return {"pcm": to_pcm16(np.concatenate([decoder.push(*pair) for pair in zip(packets, following, strict=True)]))}
    n = join(codec._parts.entropy, [part for segment in codec._read(data)[1] for part in segment.parts])
    return {"step": n.step, "side": n.side, "latents": n.latents, "pcm": to_pcm16(codec.decode(data)[0])}


def stored(name: str) -> bytes:
    """Return the bytes of a vector."""
    path = FOLDER / f"{name}.cq"
    return path.read_bytes() if path.exists() else np.load(path.with_suffix(".npz"))["packets"].tobytes()


def behind_header(data: bytes) -> bytes:
    """Return the segments of a file, or all of a live stream: headers have grown since some vectors were written."""
    return data[data[5] :] if data.startswith(MAGIC) else data


def write_sound(name: str, recipe: dict) -> None:
    """Replace the PCM of a vector by what the decoder makes of its stream today."""
    path, data = FOLDER / f"{name}.npz", stored(name)
    before = dict(np.load(path))
    sizes = before["sizes"] if recipe["mode"] == "live" else []
    np.savez_compressed(path, **before | {"pcm": decode(recipe, data, sizes)["pcm"]})


def main() -> None:
    """Write or check the vectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare the bytes of encoding again, write nothing")
    parser.add_argument("--sound", metavar="NAME", help="write the PCM of this vector again, and nothing else")
    args = parser.parse_args()
    check, index = args.check, json.loads(INDEX.read_text()) if INDEX.exists() else {}
    if args.sound:
        write_sound(args.sound, index[args.sound])
        return
    for recipe in RECIPES:
        if not check and recipe.name in index:
            continue
        data, sizes = encode(recipe)
        if check:
            same = behind_header(data) == behind_header(stored(recipe.name))
            print(recipe.name, "same" if same else "DIFFERENT", len(data), flush=True)
            continue
        expected = decode(asdict(recipe), data, sizes)
        if recipe.mode == "live":
            expected |= {"packets": np.frombuffer(data, np.uint8), "sizes": np.array(sizes)}
        else:
            (FOLDER / f"{recipe.name}.cq").write_bytes(data)
        small = {k: v if k in ("pcm", "packets") else v.astype(np.int16) for k, v in expected.items()}
        np.savez_compressed(FOLDER / f"{recipe.name}.npz", **small)
        index[recipe.name] = asdict(recipe) | {"sha256": sha256(data).hexdigest(), "n_bytes": len(data)}
        INDEX.write_text(json.dumps(index, indent=1) + "\n")
        print(recipe.name, len(data), flush=True)


if __name__ == "__main__":
    main()
