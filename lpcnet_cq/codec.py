"""The public class `Codec`: it encodes samples to the bytes of a `.cq` file and decodes them, with any weights.

Place in the chain: the whole chain. `files` codes whole signals, `stream` live signals.
"""

import io
import os
import warnings
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from lpcnet_cq.audio import prepare
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.bitstream.container import Header, read_header
from lpcnet_cq.bitstream.packing import Mode, check_mode
from lpcnet_cq.bitstream.summary import summarise
from lpcnet_cq.checkpoint.weights import find_weights, installed
from lpcnet_cq.contract import CodecRecord
from lpcnet_cq.file_decoder import Decoding, decode_file
from lpcnet_cq.file_encoder import Options, Progress, encode_blocks
from lpcnet_cq.files import count_file_bits, drop_layers, read_file
from lpcnet_cq.live_file import decode_live, live_header, write_live
from lpcnet_cq.nn.segment_reader import ReadSegment
from lpcnet_cq.parts import load_parts
from lpcnet_cq.registry import record_named
from lpcnet_cq.signal_check import coding_fault
from lpcnet_cq.sources import samples_of, stream_bytes
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
        return self._parts.n_parameters

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
        original, original_hz = samples_of(x, sample_rate_hz, self.channels)
        mixed = prepare(original, original_hz, original_hz, self.channels)
        file = io.BytesIO()
        self.encode_blocks(file, [mixed], original_hz, bitrate_bps, layers, mode, progress, len(mixed))
        data = file.getvalue()
        if verify and (fault := coding_fault(original, self.decode(data)[0], original_hz)):
            warnings.warn(fault, stacklevel=2)
        return data

    def encode_blocks(
        self,
        file: BinaryIO,
        blocks: Iterable[np.ndarray],
        sample_rate_hz: int,
        bitrate_bps: float | None = None,
        layers: int = 1,
        mode: Mode = "mean",
        progress: Progress | None = None,
        n_samples: int | None = None,
    ) -> None:
        """Code a signal of any length to a `.cq` file, in constant memory.

        Parameters
        ----------
        file : binary file, empty, open for writing, seekable
        blocks : iterable of float32 arrays (n,) or (n, channels)
            In [-1, 1], with at most as many channels as the codec has; see `lpcnet_cq.audio_blocks.open_audio`.
        sample_rate_hz, bitrate_bps, layers, mode, progress
            As for `encode`.
        n_samples : int, optional
            About the number of samples to come, for `progress`.
        """
        parts, show = self._parts, progress or (lambda fraction: None)
        bitrate_bps, layers = parts.checked_bitrate_bps(bitrate_bps), parts.checked_layers(layers)
        check_mode(mode)

        def share(n: int, done: float) -> None:
            show(min(n / n_samples, 1.0) * done if n_samples else 0.0)

        encode_blocks(parts, file, blocks, sample_rate_hz, Options(bitrate_bps, layers, mode), share)
        show(1.0)

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
        decoding = self.decode_blocks(io.BytesIO(stream_bytes(data)))
        header, show, n_done = decoding.header, progress or (lambda fraction: None), 0
        parts = [np.zeros((0, 2) if header.channels == 2 else 0, np.float32)]
        for block in decoding.blocks:
            parts.append(block)
            n_done += len(block)
            show(n_done / decoding.n_samples if decoding.n_samples else 0.0)
        show(1.0)
        for note in decoding.notes:
            warnings.warn(note, stacklevel=2)
        return np.concatenate(parts), header.sample_rate_hz

    def decode_blocks(self, file: BinaryIO, header: Header | None = None) -> Decoding:
        """Decode a `.cq` file or a live stream while it is read, in constant memory.

        Parameters
        ----------
        file : binary file open for reading
            Of a live stream each block is there as soon as its packet is.
        header : Header, optional
            If it was read from the file before.

        Raises
        ------
        BitstreamError
            As `decode`; from the blocks, where the stream is damaged.
        """
        header = header or read_header(file)
        return (decode_live if header.live else decode_file)(self._parts, header, file)

    def info(self, data: bytes) -> dict:
        """Return the properties of a `.cq` file and the bits of its parts, without synthesis.

        Raises
        ------
        BitstreamError
            In the same cases as `decode`.
        """
        data = stream_bytes(data)
        segments = self._read(data)[1]
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

    def encode_live(
        self,
        file: BinaryIO,
        blocks: Iterable[np.ndarray],
        sample_rate_hz: int,
        channels: int,
        bitrate_bps: float | None = None,
        layers: int = 1,
        mode: Mode = "mean",
        expected_loss: float = 0.0,
    ) -> None:
        """Write a live stream: the header at once, and every packet as soon as its samples are there.

        Parameters
        ----------
        file : binary file open for writing
        blocks : iterable of float32 arrays (n,) or (n, 2)
            In [-1, 1].
        sample_rate_hz, channels : int
            Of the blocks; channels at most those of the codec.
        bitrate_bps, layers, mode, expected_loss
            As for `encoder`.
        """
        encoder, spare = (self.encoder(bitrate_bps, layers, mode, expected_loss) for _ in range(2))
        rate_bps = self._parts.checked_bitrate_bps(bitrate_bps)
        header = live_header(self._parts, encoder, sample_rate_hz, channels, rate_bps, layers, mode)
        write_live(file, header, encoder, spare, blocks)

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
        return read_file(self._parts, data)[:2]


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
