"""The public class `Codec`: it encodes samples to the bytes of a `.cq` file and decodes them, with any weights.

Place in the chain: the whole chain. `files` codes whole signals, `stream` live signals.
"""

import io
import os
import warnings
from dataclasses import replace
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike

from dsp.audio_file import open_source, source_name
from dsp.signals import checked_rate, checked_signal
from lpcnet_cq.audio import prepare, read_audio, resample
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.bitstream.container import SAMPLE_RATES_HZ, Header, write_header
from lpcnet_cq.bitstream.extension import Coding
from lpcnet_cq.bitstream.packing import Mode, check_mode, write_segments
from lpcnet_cq.bitstream.summary import summarise
from lpcnet_cq.checkpoint.weights import find_weights, installed
from lpcnet_cq.contract import CodecRecord
from lpcnet_cq.files import (
    Progress,
    analyse_signal,
    count_file_bits,
    drop_layers,
    ignore,
    read_file,
    synthesise_packets,
)
from lpcnet_cq.nn.segment_reader import ReadSegment
from lpcnet_cq.parts import load_parts
from lpcnet_cq.registry import record_named
from lpcnet_cq.signal_check import coding_fault
from lpcnet_cq.stream import Decoder, Encoder

__all__ = ["DEFAULT", "Codec", "installed", "load"]

DEFAULT = record_named("speech").weights


class Codec:
    """Encode and decode signals with one set of weights.

    A codec is immutable, so that threads can share it. Pickling stores the name of the weights only; unpickling loads
    them again. Start processes that use a codec with the method `spawn`, because JAX does not work after a fork.

    Parameters
    ----------
    path : path
        Weights file.

    Raises
    ------
    ValueError
        If the file is missing or is not a weights file of this project.
    """

    def __init__(self, path: str | os.PathLike):
        self._parts = load_parts(path)

    @property
    def name(self) -> str:
        """Name of the weights."""
        return self._parts.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights file; every stream contains its first 16 digits."""
        return self._parts.sha256

    @property
    def kind(self) -> str:
        """Kind of codec: "speech" or "music"."""
        return self._parts.record.kind

    @property
    def record(self) -> CodecRecord:
        """All parts of this kind of codec."""
        return self._parts.record

    @property
    def config(self) -> CodecConfig:
        """Dimensions of the codec."""
        return self._parts.config

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the codec in Hz."""
        return self.config.spec.sample_rate_hz

    @property
    def channels(self) -> int:
        """Maximum number of coded channels; more are downmixed to their mean."""
        return self.config.channels

    @property
    def max_layers(self) -> int:
        """Maximum number of layers of a packet."""
        return self.record.max_layers

    @property
    def bitrates_bps(self) -> tuple[int, int]:
        """Supported bitrate range, lowest and highest."""
        return self._parts.supported_bps

    @property
    def default_bitrate_bps(self) -> int:
        """Bitrate that is used if the caller gives none."""
        return int(self._parts.checked_bitrate_bps(None))

    def packet_bytes(self, bitrate_bps: float) -> int:
        """Return the packet size in bytes at a bitrate: the maximum in mode "capped", the size in mode "constant"."""
        return self._parts.packet_bytes(self._parts.checked_bitrate_bps(bitrate_bps))

    @property
    def delay_ms(self) -> float:
        """Algorithmic delay of live coding: frame, look-ahead, decoder."""
        return self.config.delay_ms

    @property
    def n_parameters(self) -> int:
        """Number of trained values."""
        return sum(np.size(v) for v in _leaves(self._parts.floats))

    def macs_per_second(self) -> dict[str, float]:
        """Return the multiply-accumulates per second of audio by part: `encoder`, `decoder` and `entropy`."""
        return self.record.complexity(self.config, self._parts.floats)

    def encode(
        self,
        x: ArrayLike | str | os.PathLike[str] | BinaryIO,
        sample_rate_hz: int | None = None,
        bitrate_bps: float | None = None,
        layers: int = 1,
        mode: Mode = "mean",
        progress: Progress | None = None,
        verify: bool = False,
    ) -> bytes:
        """Encode a signal to the bytes of a `.cq` file.

        Parameters
        ----------
        x : array (n,) or (n, channels), path, or binary file object
            Samples: floats in [-1, 1], int16 or int32; or an audio file of any format that `read_audio` reads. Signals
            with more channels than the codec has are downmixed; other sample rates are resampled.
        sample_rate_hz : int, optional
            Sample rate of an array, 1000 to 768000; must be left out for files.
        bitrate_bps : float, optional
            Bitrate of the file or of each packet, see `mode`; by default that of the model.
        layers : int
            1 to `max_layers`. `thin` can reduce packets of two layers to one. If the bitrate is too low for two layers,
            packets have one.
        mode : str
            "mean": the whole file, header included, has this bitrate. "capped": no packet is larger than the bytes
            that the bitrate allows per packet, rounded down. "constant": all packets have this size; zero bytes pad
            smaller ones.
        progress : callable, optional
            Called with the fraction that is done, 0 to 1.
        verify : bool
            Decode the file, and warn if the decoded signal differs from the input more than coding noise does.

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            If the shape, type or scale of `x` is wrong, a value is not finite, the file is not an audio file, or
            another argument is not allowed.

        Warns
        -----
        UserWarning
            If samples were clipped, channels cancel each other, or a file is damaged.
        """
        parts = self._parts
        bitrate_bps, layers = parts.checked_bitrate_bps(bitrate_bps), parts.checked_layers(layers)
        check_mode(mode)
        original, original_hz = self._samples(x, sample_rate_hz)
        coded = prepare(original, original_hz, self.sample_rate_hz, self.channels)
        data = self._encode(coded, len(original), original_hz, bitrate_bps, layers, mode, progress or ignore)
        if verify and (fault := coding_fault(original, self.decode(data)[0], original_hz)):
            warnings.warn(fault, stacklevel=2)
        return data

    def _samples(
        self, x: ArrayLike | str | os.PathLike[str] | BinaryIO, sample_rate_hz: int | None
    ) -> tuple[np.ndarray, int]:
        """Return samples and sample rate of an array or file; warn of every defect of a file."""
        if isinstance(x, str | os.PathLike) or hasattr(x, "read"):
            if sample_rate_hz is not None:
                raise ValueError(f"`sample_rate_hz` is {sample_rate_hz!r}, it must be left out: the file has its own")
            audio = read_audio(cast(BinaryIO, x), channels=self.channels)
            for note in audio.notes:
                warnings.warn(note, stacklevel=3)
            return audio.x, audio.sample_rate_hz
        if sample_rate_hz is None:
            raise ValueError("`sample_rate_hz` is None, it must be given for an array")
        rate_hz = checked_rate("sample_rate_hz", sample_rate_hz, SAMPLE_RATES_HZ[0], SAMPLE_RATES_HZ[-1])
        return checked_signal("x", cast(ArrayLike, x), dtype=np.float32), rate_hz

    def _encode(
        self,
        x: np.ndarray,
        n_original: int,
        sample_rate_hz: int,
        bitrate_bps: float,
        layers: int,
        mode: Mode,
        show: Progress,
    ) -> bytes:
        """Encode a signal at the codec's sample rate; the caller has checked the arguments."""
        parts, spec = self._parts, self.config.spec
        file = io.BytesIO()
        coding = Coding(parts.coding_name, mode, spec.sample_rate_hz, spec.hop, n_original)
        header = Header(len(x), sample_rate_hz, round(bitrate_bps), self.sha256, x.ndim, coding)
        write_header(file, header)
        packets: list[tuple[bytes, ...]] = []
        if len(x):
            side, latents = analyse_signal(parts, x, show)
            if mode == "mean":
                seconds, short = len(x) / spec.sample_rate_hz, replace(header, coding=None)
                heads = header.n_bytes, header.n_bytes - short.n_bytes
                packets = parts.packer.pack(side, latents, seconds, bitrate_bps, layers, *heads)
            else:
                layers, size = min(layers, parts.packer.most_layers(bitrate_bps)), parts.packet_bytes(bitrate_bps)
                packets = parts.packer.pack_capped(side, latents, size, layers, mode == "constant")
        write_segments(file, packets, self.config.segment_packets, mode == "constant")
        show(1.0)
        return file.getvalue()

    def decode(
        self, data: bytes | str | os.PathLike[str] | BinaryIO, progress: Progress | None = None
    ) -> tuple[np.ndarray, int]:
        """Decode a `.cq` file.

        Parameters
        ----------
        data : bytes, path, or binary file object
        progress : callable, optional

        Returns
        -------
        y : float32 array (n,) or (n, 2)
            Samples in [-1, 1], with sample rate and length of the original (for files of the first releases, the length
            is approximate).
        sample_rate_hz : int

        Raises
        ------
        BitstreamError
            If the stream is damaged, is not a `.cq` stream, or was made with other weights.
        ValueError
            If a file cannot be read.
        """
        header, segments = self._read(stream_bytes(data))
        runs = [n for segment in segments for n in segment.parts]
        y = synthesise_packets(self._parts, runs, progress or ignore)
        if header.channels < y.ndim:
            y = y.mean(axis=1)
        lag, coding_hz = self.config.decoder_delay, self.sample_rate_hz
        y = np.clip(y[lag : lag + header.n_samples], -1, 1)
        if header.sample_rate_hz != coding_hz and len(y):
            y = np.clip(resample(y, coding_hz, header.sample_rate_hz), -1, 1)
        if header.coding:
            y = y[: header.coding.n_samples]  # resampling twice can add samples
        return y.astype(np.float32), header.sample_rate_hz

    def info(self, data: bytes) -> dict:
        """Return the properties of a `.cq` file and the bits of its parts, without synthesis.

        Raises
        ------
        BitstreamError
            In the same cases as `decode`.
        """
        data = stream_bytes(data)
        _, segments = self._read(data)
        return summarise(data, self.sample_rate_hz) | {
            "bits": count_file_bits(self._parts, segments, len(data)),
            "model": self.name,
            "model_hash": self.sha256,
            "n_parameters": self.n_parameters,
            "delay_ms": self.delay_ms,
        }

    def thin(self, data: bytes, layers: int) -> bytes:
        """Drop enhancement layers from the packets of a `.cq` file by removing bytes, without encoding again.

        Parameters
        ----------
        data : bytes
        layers : int
            Number of layers to keep, 1 to `max_layers`. A file that does not have more layers is returned unchanged.

        Raises
        ------
        BitstreamError
            In the same cases as `decode`.
        ValueError
            If `layers` is out of range.
        """
        return drop_layers(self._parts, stream_bytes(data), self._parts.checked_layers(layers))

    def encoder(
        self,
        bitrate_bps: float | None = None,
        layers: int = 1,
        mode: Mode = "mean",
        expected_loss: float = 0.0,
        copy_offset: int = 2,
    ) -> Encoder:
        """Return a live encoder, `push(samples) -> packets`; arguments as for `encode`.

        In mode "mean", any ten seconds of speech have the bitrate within 2 %.

        Parameters
        ----------
        bitrate_bps : float, optional
        layers : int
        mode : str
        expected_loss : float
            Fraction of packets that the channel loses, 0 to 1; `encoder.expected_loss = 0.03` changes it later.
        copy_offset : int
            A lost packet is repaired by the packet so many packets later, 1 to 8, if packets carry copies.

        Raises
        ------
        ValueError
            If an argument is not allowed, or the bitrate is too low for this number of layers.
        """
        bitrate_bps = self._parts.checked_bitrate_bps(bitrate_bps)
        layers = self._parts.checked_layers(layers)
        check_mode(mode)
        if layers > (most := self._parts.packer.most_layers(bitrate_bps)):
            raise ValueError(f"`layers` is {layers}, at {bitrate_bps} bit/s it must be at most {most}")
        return Encoder(self._parts, bitrate_bps, layers, mode, expected_loss, copy_offset)

    def decoder(self, layers: int = 1) -> Decoder:
        """Return a live decoder, `push(packet or None) -> frame`, for packets of at most `layers` layers.

        Raises
        ------
        ValueError
            If `layers` is out of range.
        """
        return Decoder(self._parts, self._parts.checked_layers(layers))

    def _read(self, data: bytes) -> tuple[Header, list[ReadSegment]]:
        """Return the header and the content of all segments."""
        return read_file(self._parts, data)


def stream_bytes(data: bytes | str | os.PathLike[str] | BinaryIO) -> bytes:
    """Return the bytes of a stream that is given as bytes, path or binary file object.

    Raises
    ------
    ValueError
        If `data` has another type, or the file cannot be read.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if not isinstance(data, str | os.PathLike) and not hasattr(data, "read"):
        raise ValueError(f"`data` is of type {type(data).__name__}, it must be bytes, a path or a binary file")
    with open_source(data, source_name(data)) as file:
        content = file.read()
    if not isinstance(content, bytes):
        raise ValueError(f"{source_name(data)} is opened in text mode, it must be opened in binary mode")
    return content


def _leaves(tree):
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, dict) else [value]


def load(name_or_path: str | os.PathLike | None = None) -> Codec:
    """Load a codec; every call reads the weights again and returns a new codec.

    Parameters
    ----------
    name_or_path : str or path, optional
        Name of released weights, path of a weights file, or folder of a training run. By default, the weights `cq`.

    Returns
    -------
    Codec

    Raises
    ------
    ValueError
        If there are no such weights.
    """
    return Codec(find_weights(DEFAULT if name_or_path is None else name_or_path))
