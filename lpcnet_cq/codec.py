"""The public class `Codec`: it encodes samples to the bytes of a `.cq` file and decodes them, with any weights.

Place in the chain: the whole chain, for whole signals; `streaming_codec` codes signals part by part.
"""

import io
import os
import warnings
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import shown
from dsp._floating_point import usual_errors
from lpcnet_cq.audio.checks import coding_fault
from lpcnet_cq.audio.reader import prepare
from lpcnet_cq.audio.sources import samples_of, stream_bytes
from lpcnet_cq.bitstream.container import Header
from lpcnet_cq.bitstream.packing import Mode
from lpcnet_cq.bitstream.segment_reader import ReadSegment
from lpcnet_cq.bitstream.summary import summarise
from lpcnet_cq.checkpoint.weights import find_weights, installed
from lpcnet_cq.files.description import count_file_bits, drop_layers, packet_table, read_file
from lpcnet_cq.files.encoder import Progress, checked_progress
from lpcnet_cq.registry import record_named
from lpcnet_cq.streaming_codec import StreamingCodec

__all__ = ["DEFAULT", "Codec", "installed", "load"]

DEFAULT = record_named("speech").weights


class Codec(StreamingCodec):
    """Encode and decode signals with one set of weights.

    A codec is immutable, so that threads can share it. Pickling stores the names of weights and backend only;
    unpickling loads them again. With the backend "jax", start processes that use a codec with the method `spawn`,
    because JAX does not work after a fork.

    Parameters
    ----------
    path : path
        Weights file.
    backend : str, optional
        Library that runs the networks: "numpy" (default, if the codec has it) or "jax", which is faster for many
        signals on an accelerator. Both read and write the same streams.

    Raises
    ------
    ValueError
        If the file is missing or is not a weights file of this project, or the backend does not exist or is not
        installed.
    """

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
            Decode what is written, and warn if the decoded signal differs from the input more than coding noise does.

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
        if not isinstance(verify, bool):
            raise ValueError(f"`verify` is {shown(verify)}, it must be True or False")
        with usual_errors():
            original, original_hz = samples_of(x, sample_rate_hz, self.channels)
            mixed = prepare(original, original_hz, original_hz, self.channels)
            file = io.BytesIO()
            decoded = [np.zeros((0, *mixed.shape[1:]), np.float32)]
            coding = original_hz, bitrate_bps, layers, mode, progress, len(mixed)
            self.encode_blocks(file, [mixed], *coding, decoded.append if verify else None)
            if verify:
                highpass_hz = record_named(self.kind).highpass_hz
                if fault := coding_fault(original, np.concatenate(decoded), original_hz, highpass_hz):
                    warnings.warn(fault, stacklevel=2)
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
            If a file cannot be read, or `progress` is not callable.
        """
        show, decoding = checked_progress(progress), self.decode_blocks(io.BytesIO(stream_bytes(data)))
        header, n_done = decoding.header, 0
        parts = [np.zeros((0, 2) if header.channels == 2 else 0, np.float32)]
        for block in decoding.blocks:
            parts.append(block)
            n_done += len(block)
            show(n_done / decoding.n_samples if decoding.n_samples else 0.0)
        show(1.0)
        for note in decoding.notes:
            warnings.warn(note, stacklevel=2)
        return np.concatenate(parts), header.sample_rate_hz

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

    def packet_table(self, data: bytes) -> list[dict]:
        """Return the size of every packet of a `.cq` file, and the bits of its parts.

        Parameters
        ----------
        data : bytes
            A file, no live stream.

        Returns
        -------
        list of dict
            The first row is that of all headers, "headers", the others are those of the packets: `packet`, `time_s`
            (of the first sample at the encoder), `step_index`, `bytes`, the bits of each part, named as in `info`, and
            `overhead`, the bits of headers, of padding and of the rounding to bytes. The bytes of all rows are those of
            the file, and the bits of a row are its bytes.

        Raises
        ------
        BitstreamError
            In the same cases as `decode`.
        ValueError
            If the stream is live.
        """
        return packet_table(self._parts, stream_bytes(data))

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

    def _read(self, data: bytes) -> tuple[Header, list[ReadSegment]]:
        """Return the header and the content of all segments."""
        return read_file(self._parts, data)[:2]


def load(name_or_path: str | os.PathLike | None = None, backend: str | None = None) -> Codec:
    """Load a codec by the name of released weights, a file, or the folder of a run: see `lpcnet_cq.load`."""
    return Codec(find_weights(DEFAULT if name_or_path is None else name_or_path), backend)
