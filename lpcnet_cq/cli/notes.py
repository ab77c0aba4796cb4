"""What `lpcnet-cq encode` says about a file: changes of the input, a bitrate that is not met, defects."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    from lpcnet_cq.bitstream.packing import Mode
    from lpcnet_cq.codec import Codec

MOST_EXCESS = 1.02  # ratio of bitrate to requested bitrate above which a note is printed


@dataclass(frozen=True)
class EncodeOptions:
    """Hold the options of encoding; None stands for the default model, the default backend, and inputs with headers.

    `raw` has sample rate in Hz and channels of an input without a header.
    """

    model: str | None
    backend: str | None
    rate_bps: int
    layers: int
    mode: "Mode"
    check: bool
    raw: tuple[int, int] | None = None


class SignalMeter:
    """Pass blocks on, and measure what `audio.checks` compares with the decoded sound."""

    def __init__(self, blocks: Iterable["np.ndarray"], sample_rate_hz: int, check: bool):
        from lpcnet_cq.audio.checks import BandMeter, ClippingMeter

        self._blocks, self.n_samples, self.sample_rate_hz = blocks, 0, sample_rate_hz
        self.bands, self.clipping = BandMeter(sample_rate_hz), ClippingMeter()
        self.decoded_bands = BandMeter(sample_rate_hz)
        self._meters = (self.bands, self.clipping) if check else ()
        self.heard = self.decoded_bands.push if check else None  # of decoded blocks

    def __iter__(self) -> Iterator["np.ndarray"]:
        for block in self._blocks:
            self.n_samples += len(block)
            for meter in self._meters:
                meter.push(block)
            yield block


def file_notes(codec: "Codec", options: EncodeOptions, meter: SignalMeter, file: BinaryIO) -> list[str]:
    """Return notes on a coded file: sample rate, layers, bitrate, and defects if they are checked."""
    from lpcnet_cq.bitstream.summary import LEAST_S
    from lpcnet_cq.registry import record_named

    notes, original_hz, rate_bps = [], meter.sample_rate_hz, options.rate_bps
    seconds, n_bytes = max(meter.n_samples / original_hz, LEAST_S), size_bytes(file)
    if original_hz != codec.sample_rate_hz:
        notes.append(f"resampled {original_hz} -> {codec.sample_rate_hz} Hz")
    if options.layers > 1 and (layers := layers_of(file)) < options.layers:
        notes.append(f"{options.layers} layers do not fit {rate_bps} bit/s; wrote {layers}")
    if options.mode == "mean" and 8 * n_bytes > MOST_EXCESS * rate_bps * seconds:
        written_bps = 8 * n_bytes / seconds
        needs = f"wrote {written_bps:.0f} bit/s instead of {rate_bps}: the signal needs more bits"
        short = f"the file is short; with its header it has {written_bps:.0f} bit/s instead of {rate_bps}"
        notes.append(short if seconds < 1 else needs)
    return notes + (signal_notes(meter, record_named(codec.kind).highpass_hz) if options.check else [])


def copies_notes(
    copy_offset: int | None, expected_loss: float, rate_bps: float, layers: int = 1, mode: "Mode" = "mean"
) -> list[str]:
    """Return a note if an offset of copies is given, and live packets will carry none."""
    from lpcnet_cq.bitstream.protection import choose_protection

    if copy_offset is None:
        return []
    if mode != "mean":
        return ["packets of limited size carry no copies; --copy-offset changes nothing"]
    if layers == 1 and choose_protection(expected_loss, rate_bps).copies:
        return []
    said = f"at {rate_bps:.0f} bit/s, an expected loss of {100 * expected_loss:g} % and {layers} layer(s)"
    return [f"packets carry no copies {said}; --copy-offset changes nothing"]


def size_bytes(file: BinaryIO) -> int:
    """Return the size of an open file."""
    return file.seek(0, os.SEEK_END)


def layers_of(file: BinaryIO) -> int:
    """Return the layers of the packets of a .cq file."""
    from lpcnet_cq.bitstream.container import read_header, read_segments

    file.seek(0)
    read_header(file)
    return 1 + max(segment.enhancements for segment in read_segments(file))


def signal_notes(meter: SignalMeter, highpass_hz: float) -> list[str]:
    """Return notes on defects of the input and of the decoded signal; `highpass_hz` as for `coding_fault`."""
    from lpcnet_cq.audio.checks import MOST_CLIPPED, level_fault

    clipped = meter.clipping.share()
    notes = [f"the input is clipped: {100 * clipped:.1f} % of its samples"] if clipped > MOST_CLIPPED else []
    fault = level_fault(meter.bands, meter.decoded_bands, highpass_hz)
    return notes if fault is None else [*notes, fault]


def size_note(codec: "Codec", rate_bps: int) -> str | None:
    """Return a note on the bitrate of packets of whole bytes, or None if it is the requested one."""
    n_bytes = codec.packet_bytes(rate_bps)
    real_bps = 8 * n_bytes * codec.sample_rate_hz / codec.config.spec.hop
    return None if round(real_bps) == rate_bps else f"packets of {n_bytes} bytes are {real_bps:.0f} bit/s"
