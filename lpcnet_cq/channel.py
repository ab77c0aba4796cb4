"""A channel that loses packets: random losses, and losses in bursts by the model of Gilbert and Elliott.

Place in the chain: between encoder and decoder, in tests and experiments. A pattern of losses is a bool array (n,),
True where a packet is lost. A seed gives the same pattern in every release and on every machine.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lpcnet_cq.bitstream.protection import MAX_DISTANCE

if TYPE_CHECKING:
    from lpcnet_cq.live.decoder import Decoder


def random_losses(n: int, loss: float, seed: int) -> np.ndarray:
    """Return which of n packets are lost, each one independently of the others.

    Parameters
    ----------
    n : int
        0 or more.
    loss : float
        Probability that a packet is lost, 0..1.
    seed : int
        0..2^32 - 1.

    Returns
    -------
    bool array (n,)

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> random_losses(8, 0.5, seed=0).astype(int).tolist()
    [0, 0, 0, 0, 1, 0, 1, 0]
    """
    return _uniform(n, loss, seed) < loss


def burst_losses(n: int, loss: float, mean_burst: float, seed: int) -> np.ndarray:
    """Return which of n packets are lost, in bursts: the Gilbert-Elliott model with losses in the bad state only.

    Two states: in the good one no packet is lost, in the bad one all are. With r = 1 / `mean_burst`, the bad state is
    left with probability r and entered with p = r `loss` / (1 - `loss`). So the share p / (p + r) = `loss` of the
    packets is lost, and bursts have the mean length 1 / r. The first packet follows the good state.

    Parameters
    ----------
    n : int
        0 or more.
    loss : float
        Share of lost packets, 0..`mean_burst` / (`mean_burst` + 1), where p is 1.
    mean_burst : float
        Mean number of packets that are lost in a row, at least 1.
    seed : int
        0..2^32 - 1.

    Returns
    -------
    bool array (n,)

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    E. N. Gilbert, "Capacity of a burst-noise channel", Bell Syst. Tech. J. 39, 1960; E. O. Elliott, "Estimates of
    error rates for codes on burst-noise channels", Bell Syst. Tech. J. 42, 1963.

    Examples
    --------
    >>> burst_losses(16, 0.4, 3, seed=1).astype(int).tolist()
    [0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1]
    """
    draws = _uniform(n, loss, seed)
    if not 1 <= mean_burst < np.inf:
        raise ValueError(f"`mean_burst` is {mean_burst}, it must be at least 1 packet")
    if loss > (most := mean_burst / (mean_burst + 1)):
        raise ValueError(f"`loss` is {loss}, with bursts of {mean_burst} packets it must be {most:.4g} at most")
    leave = 1 / mean_burst
    enter = leave * loss / (1 - loss)
    lost, bad = np.zeros(n, bool), False
    for i, draw in enumerate(draws):
        lost[i] = bad = draw >= leave if bad else draw < enter
    return lost


def _uniform(n: int, loss: float, seed: int) -> np.ndarray:
    """Check what both models take, and return n numbers in 0..1 by which they decide."""
    if n < 0:
        raise ValueError(f"`n` is {n}, it must not be negative")
    if not 0 <= loss <= 1:
        raise ValueError(f"`loss` is {loss}, it must be from 0 to 1")
    if not 0 <= seed < 1 << 32:
        raise ValueError(f"`seed` is {seed}, it must be from 0 to 4294967295")
    return np.random.RandomState(seed).rand(n)  # NumPy never changes the numbers of this generator


def share_lost(lost: np.ndarray) -> float:
    """Return the share of lost packets, 0..1; of no packets it is 0.

    >>> share_lost(np.array([False, True, True, False]))
    0.5
    """
    return float(np.mean(lost)) if len(lost) else 0.0


def mean_burst(lost: np.ndarray) -> float:
    """Return the mean number of packets that are lost in a row; 0 if none is lost.

    >>> mean_burst(np.array([True, False, True, True, False]))
    1.5
    """
    bits = np.concatenate([[False], np.asarray(lost, bool)])
    bursts = np.count_nonzero(bits[1:] > bits[:-1])
    return float(np.count_nonzero(lost) / bursts) if bursts else 0.0


def receive(decoder: "Decoder", packets: Sequence[bytes], lost: np.ndarray, copy_offset: int) -> np.ndarray:
    """Return what a live decoder outputs if packets are lost, without the decoder's delay.

    For a lost packet, the decoder gets the packet with its copy, and the first of the `MAX_DISTANCE` packets after it
    that is not lost, as from a jitter buffer that holds so many packets.

    Parameters
    ----------
    decoder : Decoder
    packets : sequence of n bytes
    lost : bool array (n,)
    copy_offset : int
        The encoder's.

    Returns
    -------
    float32 array (samples,) or (samples, channels)
        At the codec's sample rate.
    """
    received = [None if gone else data for data, gone in zip(packets, lost, strict=True)]
    received += [None] * max(copy_offset, MAX_DISTANCE)
    frames = []
    for t, data in enumerate(received[: len(packets)]):
        if data is not None:
            frames.append(decoder.push(data))
            continue
        distance = next((d for d in range(1, MAX_DISTANCE + 1) if received[t + d] is not None), 1)
        frames.append(decoder.push(None, received[t + copy_offset], received[t + distance], distance))
    return np.concatenate(frames)[decoder.delay_samples :]
