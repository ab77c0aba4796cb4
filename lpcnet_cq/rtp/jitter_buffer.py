"""Jitter buffer: packets arrive early, late, twice, in another order or never, and leave one per frame interval.

Place in the chain: between the network and the live decoder. Delay: adaptive, see `JitterBuffer`. The caller gives the
time with every call, so that simulations need no clock. Timestamps order the frames; sequence numbers tell doubled from
lost packets.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lpcnet_cq.bitstream.protection import MAX_DISTANCE
from lpcnet_cq.rtp.timeline import MAX_JUMP, Timeline

WINDOW = 250  # packets whose delays are remembered
QUANTILE = 0.99  # share of the packets that come in time
START_DELAY_MS = 60.0  # before delays are known
EXCESS = 3  # frames of delay beyond the target, at which a frame is left out
REST = 30  # frames from one that is left out to the next, divided by the frames of delay beyond the target
LATE_MS = 200.0  # for so long only late packets: the path has become longer, and delays are measured anew


@dataclass
class Counts:
    """Count what happened to packets and to frames.

    Attributes
    ----------
    received : int
        Packets, each counted once.
    doubled : int
        Packets that had been received before.
    late : int
        Packets received that held no frame that was still to be played.
    foreign : int
        Packets far from all others, or off the grid of frames.
    decoded : int
        Frames given to the decoder.
    concealed : int
        Frames that were missing when they were due, and unsent frames that were not yet known as such.
    unsent : int
        Frames of pauses, which the sender did not send.
    left_out : int
        Frames whose sound is not played, to reduce the delay.
    """

    received: int = 0
    doubled: int = 0
    late: int = 0
    foreign: int = 0
    decoded: int = 0
    concealed: int = 0
    unsent: int = 0
    left_out: int = 0


class JitterBuffer:
    """Hold packets until they are due.

    A frame is played `target_ms` after the time at which it would have come with the fastest packet: 99 % of the last
    250 packets came within it, and so did the copies that packets carry. The delay follows the target in steps of one
    frame, where it costs least. It grows where the frame that is due is missing: one is concealed, and the missing one
    may still arrive. It falls where a lost frame is left out or, three frames above the target, any frame.

    Parameters
    ----------
    hop : int
        Timestamp units per frame.
    clock_hz : int
        Timestamp units per second.
    max_delay_ms : float
        The longest target.
    copy_offset : int
        Frames from a frame to the one whose packet carries its copy, for which the buffer waits; 0: no copies.
    """

    def __init__(self, hop: int, clock_hz: int, max_delay_ms: float = 200.0, copy_offset: int = 0):
        self.counts = Counts()
        self.delay_ms = 0.0  # of the frame played last, beyond that of the fastest packet
        self.jitter_ms = 0.0  # as receivers report it: RFC 3550, A.8
        self._hop, self._frame_ms, self._max_delay_ms = hop, 1000 * hop / clock_hz, max_delay_ms
        self._copy_offset = copy_offset
        self._timeline: Timeline | None = None
        self._lost_before = 0  # packets of earlier streams of the sender
        self._forget()

    def _forget(self) -> None:
        """Forget all packets."""
        self._frames: dict[int, bytes] = {}  # by index
        self._next: int | None = None  # index of the frame that is due; None before the first is played
        self._awaits_next = False  # whether the frame popped last only filled the time until the one that is due
        self._seen: set[int] = set()  # sequence numbers
        self._spans: dict[int, range] = {}  # indices of the frames of a packet, by its sequence number
        self._distinct = 0  # packets of this stream
        self._transits_ms: deque[float] = deque(maxlen=WINDOW)
        self._reach_ms = self._copy_offset * self._frame_ms  # age of the oldest copies that packets carry
        self._late_since_ms: float | None = None  # since when only late packets have come
        self._since_left_out = 0

    @property
    def lost(self) -> int:
        """Packets of the stream that have not come, by their sequence numbers."""
        return self._lost_before + (self._timeline.expected - self._distinct if self._timeline else 0)

    @property
    def target_ms(self) -> float:
        """Delay that is aimed at, beyond that of the fastest packet."""
        spread = START_DELAY_MS
        if len(self._transits_ms) > 1:
            transits = np.array(self._transits_ms)
            spread = max(float(np.quantile(transits, QUANTILE) - transits.min()), self._frame_ms)
        return min(spread + self._reach_ms, self._max_delay_ms)

    def put(
        self,
        sequence: int,
        timestamp: int,
        frames: Sequence[bytes],
        now_ms: float,
        copies: Iterable[tuple[int, Sequence[bytes]]] = (),
    ) -> None:
        """Take a packet.

        Parameters
        ----------
        sequence : int
            0..65535.
        timestamp : int
            Of the first frame, 0..2^32 - 1.
        frames : sequence of bytes
            Consecutive ones; an empty one stands for a frame that is not sent.
        now_ms : float
            Time of arrival.
        copies : iterable of (int, sequence of bytes)
            Age in timestamp units, and frames, of earlier packets that travel in this one.
        """
        place = self._place(sequence, timestamp, len(frames))
        if place is None:
            self.counts.foreign += 1
            return
        whole, index = place
        if whole in self._seen:
            self.counts.doubled += 1
            return
        self._see(whole)
        self._measure(now_ms - index * self._frame_ms)
        kept = self._keep(index, frames)
        self._find_pauses(whole, index, len(frames))
        for age, copied in copies:
            self._keep(index - age // self._hop, copied)
            self._reach_ms = max(self._reach_ms, age // self._hop * self._frame_ms)
        self.counts.late += not kept
        if kept:
            self._late_since_ms = None
        elif self._late_since_ms is None:
            self._late_since_ms = now_ms
        elif now_ms - self._late_since_ms >= LATE_MS:
            self._late_since_ms, self._next = None, index
            self._transits_ms = deque([now_ms - index * self._frame_ms], WINDOW)
            self._keep(index, frames)

    def pop(self, now_ms: float) -> list[bytes | None]:
        """Return what the decoder needs for the next frame interval, one after the other.

        Of several results the sound of the last one is played: those before it are left out. An empty list means that
        playing has not begun.

        Parameters
        ----------
        now_ms : float
            Time at which the frame is played; successive calls are one frame apart.

        Returns
        -------
        list of bytes or None
            None for a frame that is missing, no bytes for one that was not sent.
        """
        if self._next is None:
            if not self._frames or now_ms < self._due_ms(min(self._frames)) + self.target_ms:
                return []
            self._next = min(self._frames)
        missing = self._next not in self._frames
        self.delay_ms = now_ms - self._due_ms(self._next)
        excess = (self.delay_ms - self.target_ms) / self._frame_ms
        self._awaits_next = missing and excess < 0
        if self._awaits_next:
            self.counts.concealed += 1
            return [None]
        self._since_left_out += 1
        too_long = excess >= (1 if missing else EXCESS) and self._since_left_out * excess >= REST
        taken = [self._take(self._next)]
        if too_long and self._next in self._frames:
            self._since_left_out = 0
            self.counts.left_out += 1
            taken.append(self._take(self._next))
        return taken

    def following(self) -> bytes | None:
        """Return the frame whose packet carries the copy of the frame that `pop` returned last, if it is there."""
        if self._next is None or self._awaits_next:
            return None
        return self._frames.get(self._next - 1 + self._copy_offset)

    def next_frame(self) -> tuple[bytes | None, int]:
        """Return the first of the `MAX_DISTANCE` frames after the one that `pop` returned last that is there.

        Returns
        -------
        data : bytes or None
        distance : int
            Its distance from the frame that `pop` returned last, 1..`MAX_DISTANCE`; 1 if there is none.
        """
        first = self._next if self._next is not None else 0
        found = (d for d in range(1, MAX_DISTANCE + 1) if first + d - 1 in self._frames)
        distance = next(found, 1)
        return self._frames.get(first + distance - 1), distance

    def _place(self, sequence: int, timestamp: int, n: int) -> tuple[int, int] | None:
        """Return the sequence number and the index of a packet's first frame; None for a packet of another stream."""
        if self._timeline is not None:
            due = self._timeline.newest if self._next is None else self._next
            place = self._timeline.place(sequence, timestamp, due)
            if place is not None or not self._timeline.starts_anew(sequence, timestamp, n):
                return place
        self._lost_before = self.lost
        self._timeline = Timeline(self._hop, sequence, timestamp)
        self._forget()
        return sequence, 0

    def _see(self, sequence: int) -> None:
        self.counts.received += 1
        self._distinct += 1
        self._seen.add(sequence)
        if len(self._seen) > 4 * MAX_JUMP:
            self._seen = {old for old in self._seen if old > sequence - 2 * MAX_JUMP}
            self._spans = {old: span for old, span in self._spans.items() if old in self._seen}

    def _find_pauses(self, sequence: int, index: int, n: int) -> None:
        """Store empty frames between a packet and its neighbours by sequence number: they were not sent."""
        self._spans[sequence] = range(index, index + n)
        for first, last in ((sequence - 1, sequence), (sequence, sequence + 1)):
            if first in self._spans and last in self._spans:
                begin = self._spans[first].stop
                self._keep(begin, [b""] * min(self._spans[last].start - begin, MAX_JUMP))

    def _measure(self, transit_ms: float) -> None:
        if self._transits_ms:
            self.jitter_ms += (abs(transit_ms - self._transits_ms[-1]) - self.jitter_ms) / 16
        self._transits_ms.append(transit_ms)

    def _due_ms(self, index: int) -> float:
        """Return when a frame would have come with the fastest packet."""
        return index * self._frame_ms + min(self._transits_ms)

    def _keep(self, index: int, frames: Sequence[bytes]) -> bool:
        """Store frames that are still to be played; say whether there was one."""
        mine = {i: data for i, data in enumerate(frames, index) if self._next is None or i >= self._next}
        self._frames = mine | self._frames
        return bool(mine)

    def _take(self, index: int) -> bytes | None:
        self._next = index + 1
        data = self._frames.pop(index, None)
        self.counts.decoded += bool(data)
        self.counts.unsent += data == b""
        self.counts.concealed += data is None
        return data
