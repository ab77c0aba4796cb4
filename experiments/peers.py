"""The speech codecs ours is compared with, each as encoder and decoder of packets at 16 kHz, mono.

| peer | where it comes from |
|---|---|
| Opus 1.6 | libopus inside the PyAV wheel (`av`) |
| LACE, NoLACE | npm package `@wasm-audio-decoders/opus-ml`, installed in the folder that BENCH_NODE names; Node.js |
| AMR-WB | system libraries `vo-amrwbenc` (encoder) and `opencore-amrwb` (decoder) |
| LC3 | `lc3py` |
| Speex | system library `speex` |
| Lyra v2 | the three TFLite models of release 1.3.2 in the folder that LYRA_MODELS names; `ai-edge-litert` |

Rates are those of the packets that carry the signal: no container is counted, nor the packet that only flushes a
codec's delay. The decoded signal is shifted by the codec's delay plus up to three samples, whichever correlates best
with the original: otherwise SI-SDR would count inaudible phase shifts as distortion.
"""

import ctypes
import ctypes.util
import functools
import importlib
import importlib.util
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from coders import FULL_SCALE, Peer, align

from dsp.frames import FrameSpec
from lpcnet_cq.audio.writer import to_pcm16

RATE_HZ = FrameSpec().sample_rate_hz
HOP_20_MS = RATE_HZ // 50
MAX_PACKET = 1500  # bytes
MAX_SHIFT = 3  # samples by which the delay of a codec that shifts phases may seem longer or shorter
POINTS = (9.0, 12.0, 16.0, 20.0, 24.0)  # kbps at which codecs are compared


@dataclass(frozen=True)
class PacketPeer(Peer):
    """Hold a codec for speech at 16 kHz as encoder and decoder of packets.

    Attributes
    ----------
    encode : callable
        int16 frames (T, hop) and kbps to T packets.
    decode : callable
        Packets to samples (T * hop,) in [-1, 1].
    lag : int
        Delay of the decoded signal, samples.
    delay_ms : float
        Algorithmic delay: frame, look-ahead, overlap of filter banks.
    hop : int
        Samples per packet.
    subframe_hz : float
        Rate of the codec's shortest unit with parameters of its own, at whose multiples it may put lines.
    n_bits : callable
        Payload bits of a packet.
    """

    encode: Callable[[np.ndarray, float], list[bytes]]
    decode: Callable[[list[bytes]], np.ndarray]
    lag: int
    delay_ms: float
    hop: int = HOP_20_MS
    subframe_hz: float = 200.0
    n_bits: Callable[[bytes], int] = lambda packet: 8 * len(packet)

    def packets(self, x: np.ndarray, kbps: float) -> list[bytes]:
        """Return the packets of x (n,), followed by silence until all of x has left the decoder."""
        late = self.lag + MAX_SHIFT
        pad = -(len(x) + late) % self.hop + late
        return self.encode(np.pad(to_pcm16(x), (0, pad)).reshape(-1, self.hop), kbps)

    def decoded(self, packets: list[bytes], x: np.ndarray) -> np.ndarray:
        """Return the decoded samples (n,) of packets, aligned with the original x (n,)."""
        return align(x, self.decode(packets), range(self.lag - MAX_SHIFT, self.lag + MAX_SHIFT + 1))

    def payload_kbps(self, packets: list[bytes], n_samples: int) -> float:
        """Return the bitrate of the packets that hold `n_samples`: their payload over their duration."""
        carrying = packets[: -(-n_samples // self.hop)]
        return sum(map(self.n_bits, carrying)) / (len(carrying) * self.hop / RATE_HZ) / 1000

    def code(self, x: np.ndarray, sample_rate_hz: int, kbps: float) -> tuple[np.ndarray, float]:
        """Return the decoded copy of x (n,), aligned with it, and the measured bitrate in kbps."""
        packets = self.packets(x, kbps)
        return self.decoded(packets, x), self.payload_kbps(packets, len(x))

    def measured_kbps(self, x: np.ndarray, sample_rate_hz: int, kbps: float) -> float:
        """Return the measured bitrate of x (n,) in kbps, without decoding."""
        return self.payload_kbps(self.packets(x, kbps), len(x))


def system_library(name: str) -> ctypes.CDLL:
    """Load a shared library of the system; raises OSError if there is none."""
    found = ctypes.util.find_library(name)
    if not found:
        raise OSError(f"library lib{name} is not installed")
    return ctypes.CDLL(found)


def folder(variable: str, *names: str) -> Path:
    """Return the folder an environment variable names; raises OSError unless it holds `names`."""
    path = Path(os.environ.get(variable) or os.devnull)
    lacks = [name for name in names if not (path / name).exists()]
    if lacks:
        raise OSError(f"{lacks[0]} is not in the folder that {variable} names")
    return path


def pointers(library: ctypes.CDLL, *names: str) -> ctypes.CDLL:
    """Declare functions that return a pointer; ctypes would cut it to 32 bits."""
    for name in names:
        getattr(library, name).restype = ctypes.c_void_p
    return library


def address(row: np.ndarray) -> ctypes.c_void_p:
    """Point at the samples of a contiguous array."""
    return ctypes.c_void_p(row.ctypes.data)


def packets_of(frames: np.ndarray, write: Callable[[ctypes.c_void_p, ctypes.Array], int]) -> list[bytes]:
    """Code frames one by one; `write` puts the packet of a frame into a buffer and returns its length in bytes."""
    buffer, packets = ctypes.create_string_buffer(MAX_PACKET), []
    for row in frames:
        n_bytes = write(address(row), buffer)
        if not 0 < n_bytes <= MAX_PACKET:
            raise RuntimeError(f"an encoder returns a packet of {n_bytes} bytes")
        packets.append(buffer.raw[:n_bytes])
    return packets


def samples_of(packets: list[bytes], read: Callable[[bytes, ctypes.c_void_p], object]) -> np.ndarray:
    """Decode packets of 20 ms one by one; `read` puts the samples of a packet where it is told to."""
    y = np.zeros((len(packets), HOP_20_MS), np.int16)
    for row, packet in zip(y, packets, strict=True):
        read(packet, address(row))
    return y.ravel() / FULL_SCALE


# ------------------------------------------------------------------------------------------------ Opus

# opus_defines.h
VOIP, WIDEBAND, VOICE = 2048, 1103, 3001
SET_BITRATE, SET_VBR, SET_BANDWIDTH, SET_COMPLEXITY, SET_VBR_CONSTRAINT, SET_SIGNAL = 4002, 4006, 4008, 4010, 4020, 4024


@functools.cache
def libopus() -> ctypes.CDLL:
    spec = importlib.util.find_spec("av")
    if spec is None or spec.origin is None:
        raise ImportError("module av is not installed")
    package = Path(spec.origin).parent
    found = [*package.parent.glob("av.libs/libopus*"), *package.glob(".dylibs/libopus*")]
    if not found:
        raise OSError("this build of av carries no libopus of its own")
    library = pointers(ctypes.CDLL(str(found[0])), "opus_encoder_create", "opus_decoder_create")
    library.opus_get_version_string.restype = ctypes.c_char_p
    version = library.opus_get_version_string().decode()
    if not version.startswith("libopus 1.6"):
        raise OSError(f"this build of av carries {version}, not libopus 1.6")
    return library


def opus_encode(frames: np.ndarray, kbps: float, more: Mapping[int, int] | None = None) -> list[bytes]:
    """Variable rate, wideband only, tuned for voice, complexity 10; `more` are values by further requests."""
    opus, error = libopus(), ctypes.c_int()
    encoder = ctypes.c_void_p(opus.opus_encoder_create(RATE_HZ, 1, VOIP, ctypes.byref(error)))
    settings = {SET_BITRATE: round(1000 * kbps), SET_VBR: 1, SET_VBR_CONSTRAINT: 0, SET_BANDWIDTH: WIDEBAND}
    for request, value in (settings | {SET_COMPLEXITY: 10, SET_SIGNAL: VOICE} | dict(more or {})).items():
        if opus.opus_encoder_ctl(encoder, request, ctypes.c_int(value)):
            raise RuntimeError(f"libopus refuses {value} for request {request}")
    packets = packets_of(frames, lambda row, out: opus.opus_encode(encoder, row, HOP_20_MS, out, MAX_PACKET))
    opus.opus_encoder_destroy(encoder)
    return packets


def opus_decode(packets: list[bytes]) -> np.ndarray:
    opus, error = libopus(), ctypes.c_int()
    decoder = ctypes.c_void_p(opus.opus_decoder_create(RATE_HZ, 1, ctypes.byref(error)))
    y = samples_of(packets, lambda packet, out: opus.opus_decode(decoder, packet, len(packet), out, HOP_20_MS, 0))
    opus.opus_decoder_destroy(decoder)
    return y


# A packet a line in base64 comes in, float32 samples go out.
ENHANCE_JS = """
import { readFileSync, writeFileSync } from "node:fs";
import { OpusMLDecoder } from "@wasm-audio-decoders/opus-ml";
const [speechQualityEnhancement, rate] = process.argv.slice(-2);
const decoder = new OpusMLDecoder({ speechQualityEnhancement, sampleRate: Number(rate), channels: 1, streamCount: 1,
  coupledStreamCount: 0, channelMappingTable: [0] });
await decoder.ready;
const packets = readFileSync(0, "utf8").trim().split("\\n").map((line) => new Uint8Array(Buffer.from(line, "base64")));
const { channelData, samplesDecoded, errors } = decoder.decodeFrames(packets);
if (errors.length) throw new Error(JSON.stringify(errors[0]));
writeFileSync(1, Buffer.from(channelData[0].slice(0, samplesDecoded).buffer));
"""


def load_enhancer() -> Path:
    libopus()
    if not shutil.which("node"):
        raise OSError("Node.js is not installed")
    return folder("BENCH_NODE", "node_modules/@wasm-audio-decoders/opus-ml")


def enhanced_decode(packets: list[bytes], network: str) -> np.ndarray:
    command = ["node", "--input-type=module", "-e", ENHANCE_JS, "--", network, str(RATE_HZ)]
    lines = b"\n".join(map(b64encode, packets))
    done = subprocess.run(command, input=lines, capture_output=True, cwd=load_enhancer())
    if done.returncode:
        raise RuntimeError(f"opus-ml: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return np.frombuffer(done.stdout, "<f4").astype(np.float64)


# ------------------------------------------------------------------------------------------------ AMR-WB

AMR_WB_KBPS = (6.6, 8.85, 12.65, 14.25, 15.85, 18.25, 19.85, 23.05, 23.85)  # modes 0..8, 3GPP TS 26.171


@functools.cache
def amr_wb() -> tuple[ctypes.CDLL, ctypes.CDLL]:
    return (
        pointers(system_library("vo-amrwbenc"), "E_IF_init"),
        pointers(system_library("opencore-amrwb"), "D_IF_init"),
    )


def amr_encode(frames: np.ndarray, kbps: float) -> list[bytes]:
    library, mode = amr_wb()[0], AMR_WB_KBPS.index(kbps)
    encoder = ctypes.c_void_p(library.E_IF_init())
    packets = packets_of(frames, lambda row, out: library.E_IF_encode(encoder, mode, row, out, 0))
    library.E_IF_exit(encoder)
    return packets


def amr_decode(packets: list[bytes]) -> np.ndarray:
    library = amr_wb()[1]
    decoder = ctypes.c_void_p(library.D_IF_init())
    y = samples_of(packets, lambda packet, out: library.D_IF_decode(decoder, packet, out, 0))
    library.D_IF_exit(decoder)
    return y


def amr_bits(packet: bytes) -> int:
    """Bits of speech in a packet: its mode is in the storage format's first byte (RFC 4867, 5.3), which is free."""
    return round(20 * AMR_WB_KBPS[packet[0] >> 3 & 15])


# ------------------------------------------------------------------------------------------------ LC3


def lc3_coders():
    lc3 = importlib.import_module("lc3")
    return lc3.Encoder(10_000, RATE_HZ), lc3.Decoder(10_000, RATE_HZ)  # frames of 10 ms, in microseconds


def lc3_encode(frames: np.ndarray, kbps: float) -> list[bytes]:
    encoder, n_bytes = lc3_coders()[0], round(kbps * 10 / 8)
    return [bytes(encoder.encode(row.tobytes(), n_bytes, 16)) for row in frames]


def lc3_decode(packets: list[bytes]) -> np.ndarray:
    decoder = lc3_coders()[1]
    return np.frombuffer(b"".join(decoder.decode(packet, 16) for packet in packets), "<i2") / FULL_SCALE


# ------------------------------------------------------------------------------------------------ Speex

SPEEX_KBPS = (3.95, 5.75, 7.75, 9.8, 12.8, 16.8, 20.6, 23.8, 27.8, 34.2, 42.2)  # qualities 0..10 of the wideband mode
WIDEBAND_MODE, SET_ENHANCEMENT, SET_QUALITY, SPEEX_COMPLEXITY = 1, 0, 4, 16  # speex.h
BITS_STRUCT = 64  # bytes, more than a SpeexBits


@functools.cache
def speex() -> ctypes.CDLL:
    library = system_library("speex")
    return pointers(library, "speex_lib_get_mode", "speex_encoder_init", "speex_decoder_init")


def speex_encode(frames: np.ndarray, kbps: float) -> list[bytes]:
    library = speex()
    encoder = ctypes.c_void_p(library.speex_encoder_init(ctypes.c_void_p(library.speex_lib_get_mode(WIDEBAND_MODE))))
    for request, value in ((SET_QUALITY, SPEEX_KBPS.index(kbps)), (SPEEX_COMPLEXITY, 10)):
        library.speex_encoder_ctl(encoder, request, ctypes.byref(ctypes.c_int(value)))
    bits = ctypes.create_string_buffer(BITS_STRUCT)
    library.speex_bits_init(bits)

    def write(row, out):
        library.speex_bits_reset(bits)
        library.speex_encode_int(encoder, row, bits)
        return library.speex_bits_write(bits, out, MAX_PACKET)

    packets = packets_of(frames.copy(), write)  # the encoder writes into its input
    library.speex_bits_destroy(bits)
    library.speex_encoder_destroy(encoder)
    return packets


def speex_decode(packets: list[bytes]) -> np.ndarray:
    library = speex()
    decoder = ctypes.c_void_p(library.speex_decoder_init(ctypes.c_void_p(library.speex_lib_get_mode(WIDEBAND_MODE))))
    library.speex_decoder_ctl(decoder, SET_ENHANCEMENT, ctypes.byref(ctypes.c_int(1)))
    bits = ctypes.create_string_buffer(BITS_STRUCT)
    library.speex_bits_init(bits)

    def read(packet, out):
        library.speex_bits_read_from(bits, packet, len(packet))
        library.speex_decode_int(decoder, bits, out)

    y = samples_of(packets, read)
    library.speex_bits_destroy(bits)
    library.speex_decoder_destroy(decoder)
    return y


# ------------------------------------------------------------------------------------------------ Lyra v2

LYRA_MODELS = ("soundstream_encoder", "quantizer", "lyragan")
LYRA_STAGES = 46  # of the residual quantiser at 9.2 kbps, 4 bits each


def lyra(*names: str) -> list:
    """Load models. The state of a stream lives in them and does not come back by resetting it: new ones per stream."""
    path = folder("LYRA_MODELS", *(f"{name}.tflite" for name in LYRA_MODELS))
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter
    models = [interpreter(str(path / f"{name}.tflite"), num_threads=1) for name in names]
    for model in models:
        model.allocate_tensors()
    return models


def invoke(model, x: np.ndarray) -> np.ndarray:
    model.set_tensor(model.get_input_details()[0]["index"], x)
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])


def lyra_encode(frames: np.ndarray, kbps: float) -> list[bytes]:
    model, quantizer = lyra("soundstream_encoder", "quantizer")
    quantize, stages, packets = quantizer.get_signature_runner("encode"), np.int32(LYRA_STAGES), []
    for row in frames:
        features = invoke(model, (row[None] / FULL_SCALE).astype(np.float32))
        codes = quantize(input_frames=features, num_quantizers=stages)["output_0"].ravel()[:LYRA_STAGES]
        packets.append((codes[::2] << 4 | codes[1::2]).astype(np.uint8).tobytes())
    return packets


def lyra_decode(packets: list[bytes]) -> np.ndarray:
    quantizer, model = lyra("quantizer", "lyragan")
    dequantize, y = quantizer.get_signature_runner("decode"), []
    for packet in packets:
        pairs = np.frombuffer(packet, np.uint8)
        codes = np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1, 1, 1).astype(np.int32)
        y.append(invoke(model, dequantize(encoding_indices=codes)["output_0"]).ravel().copy())
    return np.concatenate(y).astype(np.float64)


# ------------------------------------------------------------------------------------------------ the list

OPUS = PacketPeer("Opus 1.6", POINTS, libopus, opus_encode, opus_decode, lag=104, delay_ms=26.5, steerable=True)
LACE, NOLACE = (functools.partial(enhanced_decode, network=network) for network in ("lace", "nolace"))
AMR_RATES, SPEEX_RATES = (8.85, 12.65, 15.85, 19.85, 23.85), (9.8, 12.8, 16.8, 20.6, 23.8)

PEERS = {
    "opus": OPUS,
    "opus-lace": replace(OPUS, title="Opus 1.6 + LACE", rates=POINTS[:2], load=load_enhancer, decode=LACE),
    "opus-nolace": replace(OPUS, title="Opus 1.6 + NoLACE", load=load_enhancer, decode=NOLACE),
    "amr-wb": PacketPeer("AMR-WB", AMR_RATES, amr_wb, amr_encode, amr_decode, 95, 25.94, n_bits=amr_bits),
    "lc3": PacketPeer("LC3, 10 ms", POINTS[2:], lc3_coders, lc3_encode, lc3_decode, 40, 12.5, HOP_20_MS // 2, 100.0),
    "speex-wb": PacketPeer("Speex wideband", SPEEX_RATES, speex, speex_encode, speex_decode, 222, 34.0),
    "lyra-v2": PacketPeer("Lyra v2", (9.2,), lyra, lyra_encode, lyra_decode, 0, 20.0, subframe_hz=50.0),
}
