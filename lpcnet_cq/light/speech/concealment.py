"""Concealment of lost packets in NumPy: `lpcnet_cq.speech.concealment`, which describes it, for one live stream.

Letters: S subframes per packet, L samples per subframe, M order, D latents, H samples of history.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.light.layers import sigmoid, silu
from lpcnet_cq.light.noise import uniform_noise
from lpcnet_cq.light.speech.lapped import Lapped
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import (
    ALIGNED,
    DRIFT_COST,
    DRIFTS,
    FADE_FROM,
    FADE_TO,
    FLOOR_MARGIN,
    FLOOR_RISE,
    HISTORY,
    LAG_COST,
    MAX_LAG,
    MIN_LAG,
    NOISE_OFFSET,
    SMOOTH,
    START_LEVEL,
    VOICED,
    WINDOW,
)


class ConcealmentState(NamedTuple):
    """Hold what was decoded before a loss.

    Attributes
    ----------
    lsf : float64 array (2, M)
        Envelopes of the last two packets.
    gain : float64 array (2, S)
        Their log gains.
    floor : float
        Estimate of the noise floor, a log gain.
    floor_lsf : float64 array (M,)
        Envelope of the comfort noise.
    history : float32 array (H,)
        Last samples of the excitation.
    lag : int
        Pitch period of the repeated excitation, in samples.
    voicing : float
    count : int
        Number of consecutive lost packets.
    step : int
        Index of the step size of the last received packet.
    """

    lsf: np.ndarray
    gain: np.ndarray
    floor: float
    floor_lsf: np.ndarray
    history: np.ndarray
    lag: int
    voicing: float
    count: int
    step: int


class PacketLoss(NamedTuple):
    """Hold whether a packet is lost, and the periodic excitation that replaces it.

    Attributes
    ----------
    lost : bool
    distance : int
        Distance in packets to the next received packet, if envelope and gains are interpolated: those of this packet
        are in their place. 0: they are predicted.
    count : int
        Number of consecutive lost packets up to this one; 0 for a received packet.
    voicing : float
        Correlation between the last pitch period and the one before; 0 for a received packet.
    periodic : float32 array (S + 1, L)
        Periodic excitation; it starts one subframe before the packet. Zeros for a received packet.
    """

    lost: bool
    distance: int
    count: int
    voicing: float
    periodic: np.ndarray


class Concealment:
    """Hold the two networks: w and b for envelope and gains, v and c for the excitation.

    Parameters
    ----------
    params : dict
    c : SpeechConfig
    mean_lsf : float64 array (M,)
    """

    def __init__(self, params: dict, c: SpeechConfig, mean_lsf: np.ndarray):
        self.w1, self.b1, self.w2, self.b2 = (np.asarray(params[k], np.float64) for k in ("w1", "b1", "w2", "b2"))
        self.v1, self.c1, self.v2, self.c2 = (np.asarray(params[k], np.float32) for k in ("v1", "c1", "v2", "c2"))
        self.config, self.mean = c, mean_lsf
        self.tilt = 3 * np.arange(c.n_latents, dtype=np.float32) / c.n_latents

    def start(self) -> ConcealmentState:
        """Return the state before the first packet."""
        c = self.config
        return ConcealmentState(
            lsf=np.stack([self.mean, self.mean]),
            gain=np.full((2, c.spec.n_subframes), START_LEVEL),
            floor=START_LEVEL,
            floor_lsf=self.mean,
            history=np.zeros(HISTORY, np.float32),
            lag=MAX_LAG,
            voicing=0.0,
            count=0,
            step=c.nominal_step,
        )

    def track_loss(
        self,
        state: ConcealmentState,
        lost: bool,
        step: int,
        next_excitation: np.ndarray | None = None,
        distance: int = 0,
    ) -> tuple[ConcealmentState, PacketLoss]:
        """Return the state with new lag, voicing, count and step index, and the `PacketLoss` of one packet.

        Parameters
        ----------
        state : ConcealmentState
        lost : bool
        step : int
            Index of the step size of the packet; a lost packet has that of the last received one.
        next_excitation : array (S*L,), optional
            Normalised excitation of the packet `distance` packets after a lost one, if it is known.
        distance : int
            As in `PacketLoss`.
        """
        spec = self.config.spec
        if not lost:
            zeros = np.zeros((spec.n_subframes + 1, spec.subframe), np.float32)
            return state._replace(count=0, step=step), PacketLoss(False, 0, 0, 0.0, zeros)
        lag, voicing, count = state.lag, state.voicing, state.count + 1
        if count == 1:
            lag, voicing = find_period(state.history)
        drift = 0.0
        if next_excitation is not None and voicing > VOICED:
            drift = find_drift(state.history, lag, next_excitation, distance)
        periodic = repeat_period(state.history, lag, np.arange(spec.hop + spec.subframe), drift)
        loss = PacketLoss(True, distance, count, voicing, periodic.reshape(-1, spec.subframe))
        return state._replace(lag=lag, voicing=voicing, count=count), loss

    def conceal_side(
        self, state: ConcealmentState, lsf: np.ndarray, g: np.ndarray, loss: PacketLoss
    ) -> tuple[ConcealmentState, np.ndarray, np.ndarray]:
        """Replace a lost envelope (1, M) and log gains (1, S); update the noise floor.

        Returns
        -------
        state : ConcealmentState
        lsf, g : arrays
        """
        floor, floor_lsf = state.floor, state.floor_lsf
        if loss.lost:
            lsf, g = interpolate_side(state, lsf, g, loss.distance) if loss.distance else self.predict_side(state, loss)
        else:
            level = float(g.sum()) / g.size
            floor = min(floor + FLOOR_RISE, level)
            floor_lsf = lsf[0] if level < floor + FLOOR_MARGIN else floor_lsf
        after = state._replace(
            lsf=np.concatenate([state.lsf[1:], lsf]),
            gain=np.concatenate([state.gain[1:], g]),
            floor=floor,
            floor_lsf=floor_lsf,
        )
        return after, lsf, g

    def predict_side(self, state: ConcealmentState, loss: PacketLoss) -> tuple[np.ndarray, np.ndarray]:
        """Return predicted envelope (1, M) and log gains (1, S) of the packet after the two packets in the state."""
        M = self.config.order
        inputs = [loss.count / 4, float(loss.count >= FADE_FROM), loss.voicing]
        u = np.concatenate([(5 * (state.lsf - self.mean)).ravel(), (0.3 * (state.gain + 6)).ravel(), inputs])
        h = u @ self.w1 + self.b1
        out = (h * sigmoid(h)) @ self.w2 + self.b2
        lsf = state.lsf[1] + 0.1 * out[:M]
        g = state.gain[1, -1] + out[M:]
        w = comfort_noise_share(loss.count)
        quiet = np.minimum(g, state.floor)
        return (lsf + w * (state.floor_lsf - lsf))[None], (g + w * (quiet - g))[None]

    def conceal_latents(
        self,
        lapped: Lapped,
        loss: PacketLoss | None,
        latents: np.ndarray,
        cond: np.ndarray,
        scale: np.ndarray,
        position: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return latents in which those of a lost packet are replaced, the same with noise for zeros, and conditions.

        Parameters
        ----------
        lapped : Lapped
        loss : PacketLoss or None
            None for packets that are all received.
        latents : float32 array (T*S, D)
            Decoded latents, multiplied by their step size.
        cond : array (T*S, C)
            Conditions; the last one is the log of the step size.
        scale : array (T*S, D)
            Scales of the latents.
        position : int
            Position of the first step of the fine network rate.

        Returns
        -------
        latents, filled : float32 arrays (T*S, D)
            Input of the network, and of the inverse transform.
        cond : float32 array (T*S, C+2)
        """
        c, (N, D) = self.config, latents.shape
        lost, _, count, voicing, periodic = loss or PacketLoss(False, 0, 0, 0.0, np.zeros((1, D), np.float32))
        subframe = position // (c.spec.subframe // c.step)
        noise = np.float32(3**0.5) * uniform_noise(subframe + NOISE_OFFSET, N, D)
        inputs = np.empty((N, cond.shape[1] + 2), np.float32)
        inputs[:, :-2], inputs[:, -2], inputs[:, -1] = cond, count / 4, voicing
        h = silu(inputs.dot(self.v1) + self.c1)
        extended = inputs.copy()
        extended[:, -2], extended[:, -1] = lost, min(count, 8) / 8
        if not lost:
            gain = h.dot(self.v2[:, D:]) + self.c2[D:]
            filled = np.where(latents != 0, latents, np.exp(cond[:, -1:]) * gain * noise)
            return latents, filled, extended
        correction = h @ self.v2[:, :D] + self.c2[:D]
        share = sigmoid(np.float32(6 * voicing - 2) - self.tilt + correction)
        share *= np.float32(1 - comfort_noise_share(count))
        repeated = lapped.analyse(periodic[0], periodic[1:])
        latents = scale * (share * repeated + np.sqrt(1 - share**2 + np.float32(1e-6)) * noise)
        return latents, latents, extended

    def update_history(self, state: ConcealmentState, loss: PacketLoss, e: np.ndarray) -> ConcealmentState:
        """Return the state with the excitation (S*L,) of a packet in its history; if it is lost, the periodic one."""
        e = loss.periodic.reshape(-1)[: len(e)] if loss.lost else e
        return state._replace(history=np.concatenate([state.history, e])[-HISTORY:])


def comfort_noise_share(count: int) -> float:
    """Return the share of comfort noise, 0..1, after `count` consecutive lost packets."""
    return min(max((count - FADE_FROM) / (FADE_TO - FADE_FROM), 0.0), 1.0)


def find_period(history: np.ndarray) -> tuple[int, float]:
    """Return the lag with the largest normalised autocorrelation of a history (H,), and this correlation."""
    h = smooth(history)
    lags = np.arange(MIN_LAG, MAX_LAG)
    at = HISTORY - WINDOW - lags  # start of the earlier window at each lag
    product = np.correlate(h, h[-WINDOW:])
    sums = np.concatenate([[0.0], np.cumsum(h**2)])
    earlier, present = sums[at + WINDOW] - sums[at], sums[-1] - sums[-WINDOW - 1]
    r = product[at] / np.sqrt(present * earlier + 1e-6)
    best = int(np.argmax(r - LAG_COST * lags / MAX_LAG))
    return int(lags[best]), float(np.clip(r[best], 0.0, 1.0))


def repeat_period(history: np.ndarray, lag: int, t: np.ndarray, drift: float) -> np.ndarray:
    """Return samples at times t (n,) of a signal that repeats the last `lag` samples of a history (H,).

    The signal begins at t = 0. Its period is lag / (1 + drift).
    """
    period = history[HISTORY - lag :]
    if not drift:
        return period[t % lag]
    at = (np.float32(1 + drift) * t.astype(np.float32)) % np.float32(lag)
    before = np.floor(at).astype(np.int64)
    rest = at - before.astype(np.float32)
    return (1 - rest) * period[before % lag] + rest * period[(before + 1) % lag]


def find_drift(history: np.ndarray, lag: int, next_excitation: np.ndarray, distance: int) -> float:
    """Return the drift with which the repeated period meets the excitation (S*L,) of the next received packet.

    It is `distance` packets after the lost one.
    """
    t, e = len(next_excitation) * distance + np.arange(ALIGNED), smooth(next_excitation[:ALIGNED])
    y = np.stack([smooth(repeat_period(history, lag, t, drift)) for drift in DRIFTS])
    r = (y @ e) / np.sqrt((y * y).sum(axis=1) * (e @ e) + 1e-6)
    return float(DRIFTS[np.argmax(r - DRIFT_COST * np.abs(DRIFTS) / DRIFTS[-1])])


def smooth(x: np.ndarray) -> np.ndarray:
    """Return the moving sum of x (N,): pitch is estimated below 1 kHz."""
    return np.convolve(np.asarray(x, np.float64), np.ones(SMOOTH))[: len(x)]


def interpolate_side(
    state: ConcealmentState, lsf: np.ndarray, g: np.ndarray, distance: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return envelope (1, M) and log gains (1, S) after the last packet in the state.

    The packet with the given envelope and gains is `distance` packets later.
    """
    S, last, before = g.shape[1], state.gain[1, -1], state.lsf[1:]
    return before + (lsf - before) / (distance + 1), last + (g[:, :1] - last) * np.arange(1, S + 1) / (S * distance + 1)
