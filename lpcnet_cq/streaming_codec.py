"""Coding of signals of any length: live packets, and blocks to and from files and live streams.

Place in the chain: between `codec_properties` and `codec`, which codes whole signals with it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from dsp._floating_point import computed_usually, usual_errors
from lpcnet_cq.audio.blocks import resampled
from lpcnet_cq.bitstream.container import Header, read_header
from lpcnet_cq.bitstream.packing import Mode, check_mode
from lpcnet_cq.codec_properties import CodecProperties
from lpcnet_cq.files.decoder import Decoding, decode_file, decode_runs
from lpcnet_cq.files.encoder import Counted, Options, Progress, checked_progress, encode_blocks
from lpcnet_cq.files.live_stream import decode_live, live_header, write_live
from lpcnet_cq.live.decoder import Decoder
from lpcnet_cq.live.encoder import Encoder
from lpcnet_cq.live.pause import check_pauses


class StreamingCodec(CodecProperties):
    """Encode and decode signals part by part, in constant memory; `codec.Codec` codes whole signals."""

    def encoder(
        self,
        bitrate_bps: float | None = None,
        layers: int = 1,
        mode: Mode = "mean",
        expected_loss: float = 0.0,
        copy_offset: int = 2,
        dtx: bool = False,
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
        dtx : bool
            Leave out the packets of pauses; `encoder.dtx` changes it later. Needs speech, one layer, and a mode other
            than "constant".

        Raises
        ------
        ValueError
            If an argument is not allowed, or the bitrate is too low for this number of layers.
        """
        bitrate_bps = self._parts.checked_bitrate_bps(bitrate_bps)
        layers = self._parts.checked_layers(layers)
        check_mode(mode)
        if dtx is True:  # before the bitrate, which other layers would make wrong
            check_pauses(self._parts, layers, mode)
        if layers > (most := self._parts.packer.most_layers(bitrate_bps)):
            raise ValueError(f"`layers` is {layers}, at {bitrate_bps} bit/s it must be at most {most}")
        return Encoder(self._parts, bitrate_bps, layers, mode, expected_loss, copy_offset, dtx)

    def decoder(self, layers: int = 1) -> Decoder:
        """Return a live decoder of packets with this number of layers: `push(packet, None or b"") -> frame`.

        Raises
        ------
        ValueError
            If `layers` is out of range.
        """
        return Decoder(self._parts, self._parts.checked_layers(layers))

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
        heard: Callable[[np.ndarray], None] | None = None,
    ) -> None:
        """Code a signal of any length to a `.cq` file, in constant memory.

        Parameters
        ----------
        file : binary file, empty, open for writing, seekable
        blocks : iterable of float32 arrays (n,) or (n, channels)
            In [-1, 1], with at most as many channels as the codec has; see `lpcnet_cq.audio.blocks.open_audio`.
        sample_rate_hz, bitrate_bps, layers, mode, progress
            As for `encode`.
        n_samples : int, optional
            About the number of samples to come, for `progress`.
        heard : callable, optional
            Called with blocks of what a decoder makes of the file, which is computed without reading it again.
        """
        parts, show = self._parts, checked_progress(progress)
        bitrate_bps, layers = parts.checked_bitrate_bps(bitrate_bps), parts.checked_layers(layers)
        check_mode(mode)

        def share(n: int, done: float) -> None:
            show(min(n / n_samples, 1.0) * done if n_samples else 0.0)

        original, codec_hz = Counted(blocks), parts.config.spec.sample_rate_hz
        coded = Counted(resampled(original, sample_rate_hz, codec_hz))
        options = Options(bitrate_bps, layers, mode)
        with usual_errors():
            runs = encode_blocks(parts, file, original, coded, sample_rate_hz, options, share)
            if heard is None:
                deque(runs, 0)
            else:
                lengths = lambda: (coded.n_samples, original.n_samples)  # noqa: E731
                for y in decode_runs(parts, runs, sample_rate_hz, lambda: original.channels, lengths):
                    heard(y)
        show(1.0)

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
        decoding = (decode_live if header.live else decode_file)(self._parts, header, file)
        return replace(decoding, blocks=computed_usually(decoding.blocks))

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
        copy_offset: int = 2,
        dtx: bool = False,
    ) -> None:
        """Write a live stream: the header at once, and every packet as soon as its samples are there.

        Parameters
        ----------
        file : binary file open for writing
        blocks : iterable of float32 arrays (n,) or (n, 2)
            In [-1, 1].
        sample_rate_hz, channels : int
            Of the blocks; channels at most those of the codec.
        bitrate_bps, layers, mode, expected_loss, copy_offset, dtx
            As for `encoder`.
        """
        encoder, spare = (self.encoder(bitrate_bps, layers, mode, expected_loss, copy_offset, dtx) for _ in range(2))
        rate_bps = self._parts.checked_bitrate_bps(bitrate_bps)
        header = live_header(self._parts, encoder, sample_rate_hz, channels, rate_bps, layers, mode)
        with usual_errors():
            write_live(file, header, encoder, spare, blocks)
