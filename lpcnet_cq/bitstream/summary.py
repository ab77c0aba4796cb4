"""Summary of a `.cq` file from its header and segment headers, without the weights.

Place in the chain: used by `info` of the codec and of the command line. CRCs are checked; packets are not decoded.
"""

import io

from lpcnet_cq.bitstream.container import Header, read_header, read_segments
from lpcnet_cq.bitstream.live_container import LiveReader

LEAST_S = 0.02  # about a packet: the bitrate of a shorter file is that over this time


def summarise(data: bytes, coding_hz: int | None = None) -> dict:
    """Return the properties of a file that header and segment headers contain.

    Parameters
    ----------
    data : bytes
        A whole `.cq` file.
    coding_hz : int, optional
        Sample rate of the codec in Hz, if known; files of the first releases do not contain it.

    Returns
    -------
    dict
        Names end with the unit. `bitrate_bps` includes all bytes of the file, and is that over 20 ms if the file is
        shorter. `duration_s` and `bitrate_bps` are None if the coding sample rate is not known; `codec` and `mode` are
        None if the file does not contain them. Live streams also have `unsent_packets`, those of pauses, which
        `packets` includes, and `complete`: whether they contain their end.

    Raises
    ------
    BitstreamError
        If the header or a segment is damaged or truncated.

    Examples
    --------
    >>> from lpcnet_cq.bitstream.container import write_header, write_segment
    >>> from lpcnet_cq.bitstream.extension import Coding
    >>> file = io.BytesIO()
    >>> write_header(file, Header(320, 16000, 9000, 16 * "0", coding=Coding("speech", "mean", 16000, 320, 320)))
    >>> write_segment(file, [20 * b" "], last=True)
    >>> found = summarise(file.getvalue())
    >>> found["duration_s"], found["bitrate_bps"], found["packets"], found["codec"]
    (0.02, 25600.0, 1, 'speech')
    """
    file = io.BytesIO(data)
    header = read_header(file)
    if header.live and header.coding:
        reader = LiveReader(file, header)
        sizes = [len(data) for data in reader.packets()]
        n_packets, layers = len(sizes), 1 + header.live.enhancements
        coded = max(n_packets * header.coding.hop - header.live.pre_skip, 0)
        known = {"unsent_packets": sizes.count(0), "complete": not reader.is_cut_off}
        n_samples = reader.n_samples
        seconds = coded / header.coding.sample_rate_hz
        if n_samples is not None and not reader.is_cut_off:
            seconds = n_samples / header.sample_rate_hz
    else:
        segments = list(read_segments(file))
        n_packets, layers = sum(segment.n_packets for segment in segments), 1 + max(s.enhancements for s in segments)
        known, seconds = {}, duration_s(header, coding_hz)
    return {
        "duration_s": seconds,
        "sample_rate_hz": header.sample_rate_hz,
        "channels": header.channels,
        "codec": header.coding.codec if header.coding else None,
        "mode": header.coding.mode if header.coding else None,
        "bitrate_bps": None if seconds is None else 8 * len(data) / max(seconds, LEAST_S) if seconds else 0.0,
        "nominal_bps": header.bitrate_bps,
        "size_bytes": len(data),
        "packets": n_packets,
        "layers": layers,
        "model_hash": header.model_hash,
    } | known


def duration_s(header: Header, coding_hz: int | None = None) -> float | None:
    """Return the length of the original in seconds; None if the coding sample rate is not known."""
    if header.coding or not coding_hz:
        return header.duration_s
    return header.n_samples / coding_hz
