"""The place of RTP packets in their stream: sequence numbers and frame indices that no longer wrap around.

Place in the chain: first step of the jitter buffer.
"""

from dataclasses import dataclass

MAX_JUMP = 250  # frames by which a packet may be away from the one that is due; farther ones are of another stream


@dataclass
class Timeline:
    """Count packets and frames from the first packet on.

    Parameters
    ----------
    hop : int
        Timestamp units per frame.
    sequence, timestamp : int
        Of the first packet.
    """

    hop: int
    sequence: int
    timestamp: int

    def __post_init__(self):
        self._first = self._last = self.sequence
        self._newest = self.timestamp
        self._stray: tuple[int, int] | None = None  # sequence number and timestamp that would follow a stray packet

    @property
    def expected(self) -> int:
        """Packets sent from the first to the last one that came, by their sequence numbers."""
        return self._last - self._first + 1

    @property
    def newest(self) -> int:
        """Index of the newest frame that begins a packet."""
        return (self._newest - self.timestamp) // self.hop

    def place(self, sequence: int, timestamp: int, due: int) -> tuple[int, int] | None:
        """Return the sequence number and the index of the first frame, both without wraps.

        Parameters
        ----------
        sequence : int
            0..65535.
        timestamp : int
            0..2^32 - 1.
        due : int
            Index of the frame that is played next.

        Returns
        -------
        (int, int) or None
            None if the packet is farther than 250 frames from the one that is due, or between two frames.
        """
        whole_sequence = unwrap(sequence, self._last, 16)
        whole = unwrap(timestamp, self._newest, 32)
        index, off = divmod(whole - self.timestamp, self.hop)
        if off or abs(index - due) > MAX_JUMP:
            return None
        self._first, self._last = min(self._first, whole_sequence), max(self._last, whole_sequence)
        self._newest = max(self._newest, whole)
        return whole_sequence, index

    def starts_anew(self, sequence: int, timestamp: int, n: int) -> bool:
        """Say whether a stray packet of n frames follows another one: then the sender has begun another stream.

        One stray packet alone may be damaged or forged (RFC 3550, A.1).
        """
        follows = self._stray == (sequence, timestamp)
        self._stray = (sequence + 1) % (1 << 16), (timestamp + n * self.hop) % (1 << 32)
        return follows


def unwrap(value: int, near: int, bits: int) -> int:
    """Return the number next to `near` that has these lowest bits.

    >>> unwrap(2, 65535, 16), unwrap(65535, 65538, 16)
    (65538, 65535)
    """
    half = 1 << (bits - 1)
    return near + (value - near + half) % (2 * half) - half
