"""Pauses of speech in a live encoder: which packets are sent, and what describes the background between them.

Place in the chain: in the encoder, between the signal model and the packets. A pause begins where `dsp.activity` finds
no activity, ten packets after speech. Its first packet is a silence descriptor (`bitstream/descriptor`): the mean side
information of the last packets. Another one follows every eight packets, or as soon as the level of the background has
changed. The packets between are not sent. The principle is that of AMR-WB (3GPP TS 26.192 and 26.193). Delay: none.

Letters: K side integers.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from dsp.activity import detect_activity, start_activity
from dsp.frames import FrameSpec
from lpcnet_cq.parts import CodecParts

INTERVAL = 8  # packets from one silence descriptor to the next
AVERAGED = 8  # packets whose side information a descriptor averages; the hangover of the detector is longer
CHANGED = 4  # packets that a descriptor averages if the level has changed; two descriptors are so many apart at least
CHANGE_DB = 3.0  # change of the level of the background at which a descriptor is sent at once
LEVEL_FLOOR = 1e-9  # mean square added to levels, full scale 1: changes below are not audible


class Pause(NamedTuple):
    """Hold what is sent of a packet in a pause.

    Attributes
    ----------
    side : int64 array (1, K) or None
        Side information of a silence descriptor; None if nothing is sent.
    """

    side: np.ndarray | None


def finds_pauses(spec: FrameSpec) -> bool:
    """Say whether packets are as long as the frames of the detector: those of speech are, those of music are not."""
    return 50 * spec.hop == spec.sample_rate_hz


def check_pauses(parts: CodecParts, layers: int, mode: str) -> None:
    """Raise `ValueError` if a live encoder with these settings cannot leave out pauses."""
    spec = parts.config.spec
    if not finds_pauses(spec):
        raise ValueError(f"`dtx` needs packets of 20 ms, those of `{parts.name}` have {spec.ms(spec.hop):.1f} ms")
    if mode == "constant":
        raise ValueError("`dtx` leaves out packets, which the mode `constant` does not allow")
    if layers > 1:
        raise ValueError(f"`dtx` needs packets of one layer, `layers` is {layers}")


class PauseDetector:
    """Find the pauses of a signal.

    Parameters
    ----------
    sample_rate_hz : int
    """

    def __init__(self, sample_rate_hz: int):
        self._activity = start_activity(sample_rate_hz)
        self._sides: deque[np.ndarray] = deque(maxlen=AVERAGED)
        self._powers: deque[float] = deque(maxlen=AVERAGED)  # of the bands of the detector, without hum
        self._since: int | None = None  # packets since the last descriptor; None outside of pauses
        self._described = 0.0  # power that the last descriptor describes

    def next(self, x: np.ndarray, side: np.ndarray) -> Pause | None:
        """Return what is sent in place of the next packet, or None for the packet itself.

        Parameters
        ----------
        x : array (hop,)
            The last samples that were pushed; packets lag them by the look-ahead of the encoder.
        side : int64 array (1, K)
            Side information of the packet.
        """
        self._activity, (active,) = detect_activity(self._activity, x)
        self._sides.append(side)
        self._powers.append(float(self._activity.smoothed.sum()) + LEVEL_FLOOR)
        if active:
            self._since = None
            return None
        n = AVERAGED
        if self._since is not None:
            self._since += 1
            change_db = abs(10 * np.log10(self._powers[-1] / self._described))
            n = CHANGED if change_db > CHANGE_DB else AVERAGED
            if self._since < (CHANGED if change_db > CHANGE_DB else INTERVAL):
                return Pause(None)
        self._since, self._described = 0, float(np.mean(list(self._powers)[-n:]))
        return Pause(np.rint(np.mean(list(self._sides)[-n:], axis=0)).astype(np.int64))
