"""Protection of live streams against packet loss: how often packets reset the context, and copies of earlier packets.

Place in the chain: between rate control and packets, in the encoder; the decoder only finds the copies. A copy is an
ordinary packet at a coarse operating point, which resets the context. It travels `offset` packets later, behind the
packet of that time: packet, its level if any, copy with its own level, padding. Without losses a decoder ignores it.
The principle is that of the channel-aware mode of EVS (3GPP TS 26.445, clause 5.8) and of LBRR in Opus (RFC 6716,
section 2.1.7).
Delay: none in the encoder; a decoder that uses copies waits for `offset` packets.
"""

from dataclasses import dataclass, replace

from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import resets_context
from lpcnet_cq.bitstream.packet_fit import Fitter
from lpcnet_cq.bitstream.rate_control import operating_points

COPY_SHARE = 0.4  # of the bitrate: mean share of the copies if every packet is copied
MAX_COPY_SHARE = 0.6  # of the mean size of a packet: largest copy
COPY_COARSER = 8  # operating points between a packet and its copy
OFFSETS = range(1, 9)  # packets
THRESHOLD_RATE = 0.02  # change of the threshold per packet, relative to the mean size of a packet
SPREAD = 0.04  # share of a new copy in the mean of their sizes
MAX_DISTANCE = 3  # packets from a lost one to the received one by which it may be interpolated


@dataclass(frozen=True)
class Protection:
    """Hold how a live stream is protected.

    Parameters
    ----------
    reset_interval : int
        Packets from one context reset to the next.
    copies : float
        Share of the packets, the largest ones, of which later packets carry copies, 0 to 1.
    """

    reset_interval: int
    copies: float = 0.0

    def packet_bps(self, bitrate_bps: float) -> float:
        """Return the bitrate that is left for the packets themselves."""
        return bitrate_bps * (1 - COPY_SHARE * self.copies)


# lowest bitrate, lowest expected loss, protection: the first that applies, by experiments/results/loss/intervals.md
CHOICES = (
    (20000.0, 0.03, Protection(1, copies=1.0)),
    (12000.0, 0.15, Protection(1, copies=1.0)),
    (20000.0, 0.0075, Protection(1, copies=0.6)),
    (12000.0, 0.075, Protection(1, copies=0.5)),
    (12000.0, 0.02, Protection(1, copies=0.3)),
    (15000.0, 0.001, Protection(1)),
    (0.0, 0.0125, Protection(1)),
    (0.0, 0.002, Protection(2)),
    (0.0, 0.0005, Protection(5)),
    (0.0, 0.0, Protection(25)),
)


def choose_protection(expected_loss: float, bitrate_bps: float) -> Protection:
    """Return the protection for a channel and a bitrate: more of it for more loss.

    A lost packet makes the packets up to the next context reset unreadable. With copies, every packet resets the
    context, so that copies are found after a loss.

    Parameters
    ----------
    expected_loss : float
        Fraction of packets that the channel loses, 0 to 1.
    bitrate_bps : float

    Examples
    --------
    >>> choose_protection(0.01, 9000)
    Protection(reset_interval=2, copies=0.0)
    >>> round(choose_protection(0.05, 16000).packet_bps(16000))
    14080
    """
    return next(protection for bps, loss, protection in CHOICES if bitrate_bps >= bps and expected_loss >= loss)


def make_copy(fitter: Fitter, step: int, packet_bytes: int) -> bytes:
    """Return a copy of a packet, or no bytes if it is too large at every operating point.

    Parameters
    ----------
    fitter : Fitter
        Of the packet, without a past.
    step : int
        Step index of the packet.
    packet_bytes : int
        Mean size of packets with copies.
    """
    points, limit = operating_points(fitter.steps), int(MAX_COPY_SHARE * packet_bytes)
    for point in range(min(step + COPY_COARSER, points[-1]), points.stop):
        copy = fitter.at(point)
        if copy.n_bytes <= limit:
            return b"".join(copy.packet)
    return b""


@dataclass(frozen=True)
class CopySelection:
    """Select the largest packets for copies, and track the mean size of copies.

    The largest packets are the loudest ones, and those that differ most from their neighbours: where they are lost,
    concealment is heard most.

    Parameters
    ----------
    threshold : float
        Size in bytes from which on a packet is copied. It follows the sizes so that the share of copies is as asked.
    mean_bytes : float
        Mean size of the copies per packet, copied or not. Rate control counts it in place of their real sizes: copies
        come in groups, behind loud speech, which would else have larger step sizes than the rest.
    """

    threshold: float
    mean_bytes: float = 0.0

    def select(self, n_bytes: int, protection: Protection, packet_bytes: float) -> tuple["CopySelection", bool]:
        """Say whether a packet of `n_bytes` is copied, where packets have a mean size of `packet_bytes`."""
        selected = protection.copies >= 1 or (protection.copies > 0 and n_bytes >= self.threshold)
        change = THRESHOLD_RATE * packet_bytes * (selected - protection.copies)
        return replace(self, threshold=self.threshold + change), selected

    def expect(self, protection: Protection, packet_bytes: float) -> "CopySelection":
        """Begin with the mean size of copies that a protection gives: all of them are counted from the first one on."""
        return replace(self, mean_bytes=COPY_SHARE * protection.copies * packet_bytes)

    def spend(self, n_bytes: int) -> "CopySelection":
        """Count the bytes of the copy that a packet carries, 0 for none."""
        return replace(self, mean_bytes=self.mean_bytes + SPREAD * (n_bytes - self.mean_bytes))


def find_copy(model: EntropyModel, rest: bytes) -> bytes | None:
    """Return the copy in the bytes behind a packet and its level, or None if there is none."""
    return rest if any(rest) and resets_context(model, rest) else None
