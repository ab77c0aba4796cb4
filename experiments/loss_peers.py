"""Other codecs of speech under packet loss: their encoders are those of `peers`, their decoders conceal.

| peer | concealment |
|---|---|
| Opus | libopus 1.6, `opus_decode` without data |
| Opus, neural | libopus 1.5 (FARGAN) in the npm package `@wasm-audio-decoders/opus-ml`, decoder complexity 5: a packet of the ToC byte alone is concealed |
| Opus, FEC | in-band redundancy (LBRR) in the packet that follows the lost one, encoder told of 20 % loss; written from 17 kbps on |
| AMR-WB | frame type 14, SPEECH_LOST |
| LC3 | `lc3_decode` without data |
"""  # noqa: E501

import ctypes
import functools
import subprocess
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from coders import FULL_SCALE, best_lag, shifted
from peers import (
    HOP_20_MS,
    MAX_SHIFT,
    OPUS,
    PEERS,
    RATE_HZ,
    PacketPeer,
    address,
    amr_wb,
    lc3_coders,
    libopus,
    load_enhancer,
    opus_encode,
)

SET_INBAND_FEC, SET_PACKET_LOSS_PERC = 4012, 4014  # opus_defines.h
SPEECH_LOST = bytes([14 << 3 | 4]) + bytes(64)  # a frame in the storage format of AMR-WB


@dataclass(frozen=True)
class LossyPeer:
    """Hold a codec whose decoder conceals lost packets.

    Attributes
    ----------
    coder : PacketPeer
        Title, rates, encoder and delay.
    conceal : callable
        Packets and which of them are lost, (n,), to samples.
    """

    coder: PacketPeer
    conceal: Callable[[list[bytes], np.ndarray], np.ndarray]

    def heard(self, packets: list[bytes], lost: np.ndarray) -> np.ndarray:
        """Return what is decoded of packets; `lost` says it for every 20 ms, and nothing behind its end is lost."""
        lost = np.repeat(lost, HOP_20_MS // self.coder.hop)[: len(packets)]
        return self.conceal(packets, np.pad(lost, (0, len(packets) - len(lost))))

    def lag(self, x: np.ndarray, packets: list[bytes]) -> int:
        """Return the delay of decoded packets, none of which is lost, relative to their original x (n,)."""
        near = range(self.coder.lag - MAX_SHIFT, self.coder.lag + MAX_SHIFT + 1)
        return best_lag(x, self.heard(packets, np.zeros(0, bool)), near)

    def aligned(self, packets: list[bytes], lost: np.ndarray, lag: int, n: int) -> np.ndarray:
        """Return n samples of what is decoded, moved forward by the codec's delay."""
        return shifted(self.heard(packets, lost), lag, n)


def opus_conceal(packets: list[bytes], lost: np.ndarray, fec: bool = False) -> np.ndarray:
    """Conceal by libopus; with `fec` by the redundancy in the packet behind the lost one, if that has come."""
    opus, error = libopus(), ctypes.c_int()
    decoder = ctypes.c_void_p(opus.opus_decoder_create(RATE_HZ, 1, ctypes.byref(error)))
    y = np.zeros((len(packets), HOP_20_MS), np.int16)
    for i, (row, packet) in enumerate(zip(y, packets, strict=True)):
        data, use_fec = packet, 0
        if lost[i] and fec and i + 1 < len(packets) and not lost[i + 1]:
            data, use_fec = packets[i + 1], 1
        elif lost[i]:
            data = b""
        done = opus.opus_decode(decoder, data or None, len(data), address(row), HOP_20_MS, use_fec)
        if done != HOP_20_MS:
            raise RuntimeError(f"opus_decode returns {done}")
    opus.opus_decoder_destroy(decoder)
    return y.ravel() / FULL_SCALE


# A packet a line in base64 comes in, float32 samples go out. Complexity 5 is the lowest with neural concealment.
CONCEAL_JS = """
import { readFileSync, writeSync } from "node:fs";
import { OpusMLDecoder } from "@wasm-audio-decoders/opus-ml";
const decoder = new OpusMLDecoder({ speechQualityEnhancement: "none", sampleRate: Number(process.argv.at(-1)),
  channels: 1, streamCount: 1, coupledStreamCount: 0, channelMappingTable: [0] });
decoder._complexity = 5;
await decoder.ready;
const out = [];
for (const line of readFileSync(0, "utf8").trim().split("\\n")) {
  const { channelData, errors } = decoder.decodeFrame(new Uint8Array(Buffer.from(line, "base64")));
  if (errors.length) throw new Error(JSON.stringify(errors[0]));
  out.push(Buffer.from(Float32Array.from(channelData[0]).buffer));
}
const all = Buffer.concat(out);
for (let at = 0; at < all.length; ) at += writeSync(1, all, at);
"""


def neural_conceal(packets: list[bytes], lost: np.ndarray) -> np.ndarray:
    """Conceal by FARGAN."""
    lines = b"\n".join(b64encode(p[:1] if gone else p) for p, gone in zip(packets, lost, strict=True))
    command = ["node", "--input-type=module", "-e", CONCEAL_JS, "--", str(RATE_HZ)]
    done = subprocess.run(command, input=lines, capture_output=True, cwd=load_enhancer())
    if done.returncode:
        raise RuntimeError(f"opus-ml: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return np.frombuffer(done.stdout, "<f4").astype(np.float64)


def amr_conceal(packets: list[bytes], lost: np.ndarray) -> np.ndarray:
    """Conceal by the decoder of opencore."""
    library = amr_wb()[1]
    decoder = ctypes.c_void_p(library.D_IF_init())
    y = np.zeros((len(packets), HOP_20_MS), np.int16)
    for row, packet, gone in zip(y, packets, lost, strict=True):
        library.D_IF_decode(decoder, SPEECH_LOST if gone else packet, address(row), 0)
    library.D_IF_exit(decoder)
    return y.ravel() / FULL_SCALE


def lc3_conceal(packets: list[bytes], lost: np.ndarray) -> np.ndarray:
    """Conceal by liblc3, which its Python interface does not offer: the C function is called without data."""
    decoder, y = lc3_coders()[1], []
    (handle,) = decoder._Decoder__decoders
    pcm_format, _ = decoder._resolve_pcm_format(16)
    for packet, gone in zip(packets, lost, strict=True):
        if gone:
            pcm = (ctypes.c_byte * HOP_20_MS)()  # 10 ms of 16 bits
            decoder.lib.lc3_decode(handle, None, 0, pcm_format, ctypes.byref(pcm), 1)
            y.append(bytes(pcm))
        else:
            y.append(decoder.decode(packet, 16))
    return np.frombuffer(b"".join(y), "<i2") / FULL_SCALE


FEC = functools.partial(opus_encode, more={SET_INBAND_FEC: 1, SET_PACKET_LOSS_PERC: 20})
NEURAL = replace(OPUS, title="Opus, neural concealment", rates=(9.0, 13.0, 16.0, 24.0), load=load_enhancer)

LOSSY = {
    "opus": LossyPeer(replace(OPUS, rates=(9.0, 13.0, 16.0, 24.0)), opus_conceal),
    "opus-neural": LossyPeer(NEURAL, neural_conceal),
    "opus-fec": LossyPeer(
        replace(OPUS, title="Opus, in-band FEC", rates=(17.0, 25.0), encode=FEC, steerable=False),
        functools.partial(opus_conceal, fec=True),
    ),
    "amr-wb": LossyPeer(replace(PEERS["amr-wb"], rates=(8.85, 12.65, 15.85, 23.85)), amr_conceal),
    "lc3": LossyPeer(replace(PEERS["lc3"], rates=(16.0, 24.0)), lc3_conceal),
}
