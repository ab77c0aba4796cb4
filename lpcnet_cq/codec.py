"""The codec a user holds: sound to `.cq` bytes and back, by released or own weights.

Place in the chain: all of it. Compiled code is made for chunks of one second (files) and of one packet (streams),
never for a file's length, and is kept in a cache on disk.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lpcnet_cq.audio import prepare, resample
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.container import (
    MAX_ENHANCEMENTS,
    Header,
    read_header,
    read_segments,
    write_header,
)
from lpcnet_cq.bitstream.extension import Coding
from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.bitstream.packing import Packer, cut, write_segments
from lpcnet_cq.bitstream.summary import duration_s, summarise
from lpcnet_cq.checkpoint.weights import FOLDER, find_weights, load_weights
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.runtime import MusicNetwork
from lpcnet_cq.nn.packet_reader import Reader
from lpcnet_cq.speech.runtime import Network

DEFAULT = "cq"
CHUNK = 50  # packets per compiled call on files: one second
LAYERS = range(1, MAX_ENHANCEMENTS + 2)


class Codec:
    """Encode and decode speech, or music, with one set of weights.

    Parameters
    ----------
    path : Path
        Weights file.
    """

    def __init__(self, path: Path):
        floats, integers, self.config, notes, self.sha256 = load_weights(path)
        self.name = Path(path).stem
        low, high = notes["reach_bps"]  # what nine of ten training crops reach
        self.bitrates_bps = int(low), int(high)
        if isinstance(self.config, MusicConfig):
            self.entropy = LineModel(integers, self.config)
            self.network = MusicNetwork(floats, self.entropy, self.config)
        else:
            self.entropy = IntegerModel(integers, self.config)
            self.network = Network(floats, self.entropy, self.config)
        self.reader = Reader(self.entropy)
        Q = self.config.n_steps
        sizes = self.config.step_ratio ** (np.arange(Q) - float(self.config.nominal_step))
        self.packer = Packer(self.entropy, sizes, range(*notes["steps"]), np.array(notes["usual_bps"]))
        self.n_parameters = sum(np.size(v) for v in _leaves(floats))

    @property
    def sample_rate_hz(self) -> int:
        """Rate at which the codec works."""
        return self.config.spec.sample_rate_hz

    @property
    def channels(self) -> int:
        """Most channels that are coded; of more the mean is."""
        return self.config.channels

    @property
    def delay_ms(self) -> float:
        """Algorithmic delay."""
        return self.config.delay_ms

    def encode(
        self, x: np.ndarray, sample_rate_hz: int, bitrate_bps: float = 9000, layers: int = 1, cbr=False, progress=None
    ) -> bytes:
        """Code a signal to the bytes of a `.cq` file.

        Parameters
        ----------
        x : array (n,) or (n, channels)
            Samples in [-1, 1]; more channels than the codec has are mixed down, other rates resampled.
        sample_rate_hz : int
        bitrate_bps : float
            Average over the file, all its bytes counted.
        layers : int
            1 or 2. Packets of two layers can be cut to one by `thin`; where the rate is too low for two, there
            is one from the start.
        cbr : bool
            Let no packet be larger than its share of the rate.
        progress : callable, optional
            Called with the fraction done.

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            If `x` holds values that are not finite or has a wrong shape, or rate or layers are out of range.
        """
        original, x = x, prepare(x, sample_rate_hz, self.sample_rate_hz, self.channels)
        self._check(bitrate_bps, layers)
        spec = self.config.spec
        T = spec.n_frames(len(x) + self.config.decoder_delay) if len(x) else 0
        file = io.BytesIO()
        mode = "capped" if cbr else "mean"
        coding = Coding(self.config.kind, mode, spec.sample_rate_hz, spec.hop, len(original))
        header = Header(len(x), sample_rate_hz, round(bitrate_bps), self.sha256, x.ndim, coding)
        write_header(file, header)
        packets: list[tuple[bytes, ...]] = []
        if T:
            side, z = self.network.analyse(x, T, CHUNK, progress or _ignore)
            if cbr:
                layers = min(layers, self.packer.most_layers(bitrate_bps))
                packets = self.packer.pack_capped(side, z, self.cap_bytes(bitrate_bps), layers)
            else:
                seconds, short = len(x) / spec.sample_rate_hz, replace(header, coding=None)
                heads = header.n_bytes, header.n_bytes - short.n_bytes
                packets = self.packer.pack(side, z, seconds, bitrate_bps, layers, *heads)
        write_segments(file, packets, self.config.segment_packets)
        (progress or _ignore)(1.0)
        return file.getvalue()

    def decode(self, data: bytes, progress=None) -> tuple[np.ndarray, int]:
        """Decode the bytes of a `.cq` file.

        Parameters
        ----------
        data : bytes
        progress : callable, optional

        Returns
        -------
        y : float32 array (n,) or (n, 2)
            In [-1, 1], at the rate of the original, of its length (files of the first releases: about).
        sample_rate_hz : int

        Raises
        ------
        BitstreamError
            If the stream is damaged, foreign, or made by a model that is not this one.
        """
        header, segments = self._read(data)
        n = packet.join(self.entropy, [part for segment in segments for part in segment.parts])
        spec, lag = self.config.spec, self.config.decoder_delay
        pieces, state = [], self.network.start_decoder()
        for i, part in enumerate(n.runs(CHUNK)):
            state, y = self.network.decode(state, part, CHUNK)
            pieces.append(y if header.channels == y.ndim else y.mean(axis=1))
            (progress or _ignore)((i + 1) * CHUNK / max(len(n.step), 1))
        pieces.append(np.zeros((lag, 2)[: header.channels], np.float32))
        y = np.clip(np.concatenate(pieces)[lag : lag + header.n_samples], -1, 1)
        if header.sample_rate_hz != spec.sample_rate_hz and len(y):
            y = np.clip(resample(y, spec.sample_rate_hz, header.sample_rate_hz), -1, 1)
        if header.coding:
            y = y[: header.coding.n_samples]  # resampling twice may have added a sample or more
        return y.astype(np.float32), header.sample_rate_hz

    def info(self, data: bytes) -> dict:
        """Say what a `.cq` file holds and where its bits go, without synthesis.

        Raises
        ------
        BitstreamError
            As `decode` does.
        """
        _, segments = self._read(data)
        K = self.entropy.K
        layers = 1 + max(segment.enhancements for segment in segments)
        bits, enhancements = np.zeros(1 + K + self.entropy.S * self.entropy.D), np.zeros(layers - 1)
        for n in (run for segment in segments for run in segment.runs(self.entropy)):
            for layer in range(layers - 1, 0, -1):
                enhancements[layer - 1] += packet.enhancement_bits(self.entropy, None, n).sum()
                n = packet.coarser(self.entropy, n)
            bits += packet.n_bits(self.entropy, None, n).sum(axis=0)
        parts = {"step": bits[0]} | {name: bits[1:][k].sum() for name, k in self.entropy.side_parts.items()}
        parts["latents"] = bits[1 + K :].sum()
        parts |= {f"layer {i + 2}": value for i, value in enumerate(enhancements)}
        parts["overhead"] = 8 * len(data) - sum(parts.values())
        return summarise(data, self.sample_rate_hz) | {
            "bits": {k: round(float(v), 1) for k, v in parts.items()},
            "model": self.name,
            "model_hash": self.sha256,
            "n_parameters": self.n_parameters,
            "delay_ms": self.delay_ms,
        }

    def thin(self, data: bytes, layers: int) -> bytes:
        """Cut the packets of a `.cq` file to fewer layers: bytes are dropped, nothing is coded anew.

        Parameters
        ----------
        data : bytes
        layers : int
            To keep, 1 or 2; a file that has no more stays as it is.

        Raises
        ------
        BitstreamError
            As `decode` does.
        ValueError
            If `layers` is out of range.
        """
        self._check_layers(layers)
        header, segments = self._read(data)
        if all(segment.enhancements < layers for segment in segments):
            return data
        packets = [p for segment in segments for p in cut(segment.payload, segment.ends, layers)]
        n_bytes = sum(len(part) for layers in packets for part in layers)
        seconds = duration_s(header, self.sample_rate_hz)
        rate_bps = max(1, round(8 * n_bytes / seconds)) if seconds else 1
        coding = replace(header.coding, mode="mean") if header.coding else None
        file = io.BytesIO()
        write_header(file, replace(header, bitrate_bps=rate_bps, coding=coding))
        write_segments(file, packets, self.config.segment_packets)
        return file.getvalue()

    def encoder(self, bitrate_bps: float = 9000, layers: int = 1, cbr: bool = False):
        """Return a live encoder, `push(20 ms of samples) -> bytes`."""
        from lpcnet_cq.stream import Encoder

        self._check_live()
        self._check(bitrate_bps, layers)
        if layers > (most := self.packer.most_layers(bitrate_bps)):
            raise ValueError(f"`layers` is {layers}, at {bitrate_bps} bit/s it must be {most} at most")
        return Encoder(self, bitrate_bps, layers, cbr)

    def decoder(self, layers: int = 1):
        """Return a live decoder of packets of up to so many layers, `push(packet or None) -> 20 ms of samples`."""
        from lpcnet_cq.stream import Decoder

        self._check_live()
        self._check_layers(layers)
        return Decoder(self, layers)

    def cap_bytes(self, bitrate_bps: float) -> int:
        """Return the whole bytes of a packet's share of the rate."""
        return int(bitrate_bps * self.config.spec.hop / self.sample_rate_hz / 8)

    def _check(self, bitrate_bps, layers):
        low, high = self.bitrates_bps
        if not low <= bitrate_bps <= high:
            raise ValueError(f"`bitrate_bps` is {bitrate_bps}, it must be {low} to {high}")
        self._check_layers(layers)

    def _check_live(self):
        if self.channels > 1:
            raise ValueError(f"`{self.name}` codes music, which is coded in files and not live")

    def _check_layers(self, layers):
        if layers not in LAYERS:
            raise ValueError(f"`layers` is {layers}, it must be {LAYERS[0]} to {LAYERS[-1]}")
        if layers > 1 and self.channels > 1:
            raise ValueError(f"`layers` is {layers}, music has one")

    def _check_coding(self, header):
        """Refuse a header that contradicts the weights."""
        spec, says = self.config.spec, header.coding
        if header.channels > self.channels:
            raise BitstreamError(f"the header claims {header.channels} channels, `{self.name}` codes {self.channels}")
        ours = self.config.kind, spec.sample_rate_hz, spec.hop
        if says and (theirs := (says.codec, says.sample_rate_hz, says.hop)) != ours:
            raise BitstreamError(f"the header claims codec, sample rate and hop {theirs}, `{self.name}` has {ours}")

    def _read(self, data):
        """Return the header and what each segment holds."""
        file = io.BytesIO(data)
        header = read_header(file)
        if header.model_hash != self.sha256[:16]:
            raise BitstreamError(
                f"the stream was made by the model {header.model_hash}, installed are: {', '.join(installed())}"
            )
        self._check_coding(header)
        segments, count = [], 0
        for segment in read_segments(file):
            if segment.enhancements and self.channels > 1:
                raise BitstreamError("a segment claims enhancement layers, of which music has none")
            pasts, parts, ends, offset = None, [], [], 0
            for i in range(0, segment.n_packets, CHUNK):
                n_packets = min(CHUNK, segment.n_packets - i)
                pasts, n, end = self.reader.read(
                    pasts, segment.payload, offset, n_packets, CHUNK, segment.enhancements
                )
                parts.append(n)
                ends.extend(end.tolist())
                offset = ends[-1][-1]
            if offset != len(segment.payload):
                raise BitstreamError(f"a segment holds {len(segment.payload) - offset} bytes behind its packets")
            segments.append(_Read(segment.enhancements, segment.payload, parts, ends))
            count += segment.n_packets
        need = self.config.spec.n_frames(header.n_samples + self.config.decoder_delay) if header.n_samples else 0
        if count != need:
            raise BitstreamError(f"the stream holds {count} packets, its {header.n_samples} samples need {need}")
        return header, segments


class _Read(NamedTuple):
    """Hold a segment as read: the integers in runs of packets, and where each layer of each packet ends."""

    enhancements: int
    payload: bytes
    parts: list[packet.Integers]
    ends: list[list[int]]

    def runs(self, model: IntegerModel) -> Iterator[packet.Integers]:
        """Yield the packets in runs that each begin with a context reset."""
        n, starts = packet.join(model, self.parts), [0, *(ends[-1] for ends in self.ends)][: len(self.ends)]
        cuts = [i for i, start in enumerate(starts) if packet.resets_context(self.payload, start)]
        for a, b in pairwise([*cuts, len(starts)]):
            yield n[a:b]


def _ignore(fraction: float) -> None:
    """Take note of progress, and forget it."""


def _leaves(tree):
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, dict) else [value]


def installed() -> dict[str, Path]:
    """Return the released weights, by the first 16 digits of their hash."""
    import hashlib

    return {hashlib.sha256(p.read_bytes()).hexdigest()[:16]: p for p in sorted(FOLDER.glob("*.safetensors"))}


@lru_cache
def load(name_or_path: str | os.PathLike | None = None) -> Codec:
    """Load a codec.

    Parameters
    ----------
    name_or_path : str or path, optional
        Name of released weights, path of a weights file, or folder of a training run; the default weights if left
        out.

    Returns
    -------
    Codec

    Raises
    ------
    ValueError
        If there are no such weights.
    """
    return Codec(find_weights(name_or_path or DEFAULT))
