"""Concealment of lost packets as ONNX nodes: `lpcnet_cq.light.speech.concealment`, for one packet.

Both branches are computed for every packet, and `lost` selects. States have the prefix `concealment.`.

Letters: S subframes per packet, L samples per subframe, M order, D latents, H samples of history.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx

from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.export.noise import uniform_noise
from lpcnet_cq.light.speech import concealment as light
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
    VOICED,
    WINDOW,
)


class Loss(NamedTuple):
    """Hold what is known of a loss; all but `periodic` have the shape (1,), and are 0 for a received packet.

    Attributes
    ----------
    lost : Tensor of bool
    distance, count, voicing : float64 Tensor
        `distance`: distance in packets to the next received packet, whose side information is there for interpolation.
    step : int64 Tensor
        Index of the step size of the last received packet.
    periodic : float32 Tensor (S + 1, L)
        Periodic excitation; it starts one subframe before the packet.
    """

    lost: Tensor
    distance: Tensor
    count: Tensor
    voicing: Tensor
    step: Tensor
    periodic: Tensor


class Concealment:
    """Add the nodes of one packet; the states are added with the object.

    Parameters
    ----------
    g : Graph
    model : light.Concealment
    names : sequence of str
        States that are needed.
    """

    def __init__(self, g: Graph, model: light.Concealment, names: Sequence[str] = light.ConcealmentState._fields):
        self.g, self.model, start = g, model, model.start()
        self.before: dict[str, Tensor] = {}
        for name in names:
            value = np.atleast_1d(getattr(start, name))
            value = value.astype(np.int64 if name in ("lag", "step") else value.dtype)
            value = value.astype(np.float64 if name == "count" else value.dtype)
            self.before[name] = g.state(f"concealment.{name}", value)

    def next(self, **values: Tensor) -> None:
        """Add the next states."""
        for name, value in values.items():
            self.g.next(f"concealment.{name}", value)

    def track_loss(self, lost: Tensor, distance: Tensor, step: Tensor, drift: Tensor) -> Loss:
        """Return the loss of a packet.

        Parameters
        ----------
        lost : Tensor (1,)
            0: received, 1: lost.
        distance : Tensor (1,)
            0, or the distance in packets to the packet whose side information is there.
        step : int64 Tensor (1,)
            Step index.
        drift : float64 Tensor (1,)
            Relative change of the period, from `find_drift`.
        """
        g, before, spec, lost = self.g, self.before, self.model.config.spec, lost >= 1
        count = g.where(lost, before["count"] + 1, before["count"] * 0.0)
        lag, voicing = period(g, before["history"], before["lag"], before["voicing"], count)
        step = g.where(lost, before["step"], step)
        self.next(lag=lag, voicing=voicing, count=count, step=step)
        places = g.constant(np.arange(spec.hop + spec.subframe, dtype=np.float32))
        repeated = repeat_period(g, before["history"], lag, (1 + drift).astype(np.float32) * places)
        periodic = (repeated * lost.astype(np.float32)).reshape(-1, spec.subframe)
        return Loss(lost, distance.astype(np.float64), count, voicing * lost.astype(np.float64), step, periodic)

    def conceal_side(self, lsf: Tensor, gain: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """Return envelope (M,) and log gains (S,) of the packet, predicted if it is lost; update the noise floor."""
        g, before, S = self.g, self.before, self.model.config.spec.n_subframes
        level = gain.sum(0, keepdims=True) * (1 / S)
        floor = (before["floor"] + FLOOR_RISE).op("Min", level)
        floor_lsf = g.where(level < floor + FLOOR_MARGIN, lsf, before["floor_lsf"])
        concealed = zip(self.interpolate_side(lsf, gain, loss.distance), self.predict_side(loss), strict=True)
        instead_lsf, instead_gain = (g.where(loss.distance > 0, a, b) for a, b in concealed)
        lsf, gain = g.where(loss.lost, instead_lsf, lsf), g.where(loss.lost, instead_gain, gain)
        self.next(
            lsf=g.concat([before["lsf"].slice(1), lsf.reshape(1, -1)]),
            gain=g.concat([before["gain"].slice(1), gain.reshape(1, -1)]),
            floor=g.where(loss.lost, before["floor"], floor),
            floor_lsf=g.where(loss.lost, before["floor_lsf"], floor_lsf),
        )
        return lsf, gain

    def interpolate_side(self, lsf: Tensor, gain: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        """Return envelope (M,) and log gains (S,) of the packet; those given are `distance` packets later."""
        S, before, last = self.model.config.spec.n_subframes, self.before["lsf"].take(np.array(1)), self.before["gain"]
        last = last.take(np.array(1)).slice(-1)
        shares = self.g.constant(np.arange(1.0, S + 1)) / (distance * S + 1)
        return before + (lsf - before) / (distance + 1), last + (gain.slice(0, 1) - last) * shares

    def predict_side(self, loss: Loss) -> tuple[Tensor, Tensor]:
        """Return predicted envelope (M,) and log gains (S,) of the packet after the two packets in the state."""
        g, before, model, M = self.g, self.before, self.model, self.model.config.order
        lsf, gain = 5 * (before["lsf"] - model.mean), 0.3 * (before["gain"] + 6)
        fades = (loss.count >= FADE_FROM).astype(np.float64)
        u = g.concat([lsf.reshape(-1), gain.reshape(-1), loss.count / 4, fades, loss.voicing]).reshape(1, -1)
        out = ((u @ model.w1 + model.b1).silu() @ model.w2 + model.b2).reshape(-1)
        lsf = before["lsf"].take(np.array(1)) + 0.1 * out.slice(0, M)
        gain = before["gain"].take(np.array(1)).slice(-1) + out.slice(M)
        w, quiet = comfort_noise_share(loss.count), gain.op("Min", before["floor"])
        return lsf + w * (before["floor_lsf"] - lsf), gain + w * (quiet - gain)

    def conceal_latents(
        self, forward: np.ndarray, loss: Loss, latents: Tensor, cond: Tensor, scale: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return latents, the same with noise for zeros, and conditions: `light.Concealment.conceal_latents`.

        Parameters
        ----------
        forward : array (2L, D)
            Matrix of the lapped transform.
        loss : Loss
        latents, scale : float32 Tensor (S, D)
        cond : float32 Tensor (S, C)
        position : int64 Tensor (1,)
        """
        g, model, c = self.g, self.model, self.model.config
        S, D = c.n_vectors, c.n_latents
        subframe = position / (c.spec.subframe // c.step) + NOISE_OFFSET
        noise = uniform_noise(subframe, S, D) * 3**0.5
        count, voicing = loss.count.astype(np.float32), loss.voicing.astype(np.float32)
        ones = g.constant(np.ones((S, 1), np.float32))
        h = (g.concat([cond, ones * (count / 4), ones * voicing], axis=1) @ model.v1 + model.c1).silu()
        correction = h @ model.v2[:, :D] + model.c2[:D]
        extended = [cond, ones * loss.lost.astype(np.float32), ones * (count.op("Min", 8.0) / 8)]
        log_size = cond.slice(-1, axis=1)
        fill = log_size.op("Exp") * (h @ model.v2[:, D:] + model.c2[D:]) * noise
        filled = g.where(latents.op("Equal", 0.0, dtype=bool), fill, latents)
        share = (voicing * 6 - 2 - model.tilt + correction).op("Sigmoid")
        share = share * (1 - comfort_noise_share(loss.count)).astype(np.float32)
        pairs = g.concat([loss.periodic.slice(0, -1), loss.periodic.slice(1)], axis=1)
        concealed = scale * (share * (pairs @ forward) + (1 - share * share + 1e-6).op("Sqrt") * noise)
        chosen = [g.where(loss.lost, concealed, received) for received in (latents, filled)]
        return chosen[0], chosen[1], g.concat(extended, axis=1)

    def update_history(self, loss: Loss, e: Tensor) -> None:
        """Add the excitation (S*L,) of the packet to the history; if it is lost, the periodic one."""
        periodic = loss.periodic.reshape(-1).slice(0, self.model.config.spec.hop)
        e = self.g.where(loss.lost, periodic, e)
        self.next(history=self.g.concat([self.before["history"], e]).slice(-HISTORY))


def comfort_noise_share(count: Tensor) -> Tensor:
    """Return the share of comfort noise after `count` consecutive lost packets."""
    return ((count - FADE_FROM) / (FADE_TO - FADE_FROM)).clip(0, 1)


def period(g: Graph, history: Tensor, lag: Tensor, voicing: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Return lag and voicing of a lost packet: those of the history for the first one, else those before."""
    first = count.op("Equal", 1.0, dtype=bool)
    found_lag, found_voicing = find_period(g, history)
    return g.where(first, found_lag, lag), g.where(first, found_voicing, voicing)


def repeat_period(g: Graph, history: Tensor, lag: Tensor, places: Tensor) -> Tensor:
    """Return the last `lag` samples of a history (H,), repeated, at float32 places from 0 on, with interpolation."""
    at = places.op("Mod", lag.astype(np.float32), fmod=1)
    whole = at.op("Floor")
    before, rest = whole.astype(np.int64), at - whole
    first, second = (history.take(HISTORY - lag + index % lag) for index in (before, before + 1))
    return (1 - rest) * first + rest * second


def drift_model(model: light.Concealment) -> onnx.ModelProto:
    """Return the graph `drift`: the change of the period with which a lost packet meets the packet after it.

    Its state is a part of that of the decoder; it has no next one.
    """
    g = Graph("drift")
    hidden, n = Concealment(g, model, ("history", "lag", "voicing", "count")), model.config.spec.hop
    before, next_excitation = hidden.before, g.input("next_excitation", [n], np.float32)
    distance = g.input("distance", [1], np.int32)
    lag, voicing = period(g, before["history"], before["lag"], before["voicing"], before["count"] + 1)
    t = distance.astype(np.float32) * n + np.arange(ALIGNED, dtype=np.float32)
    places = (1 + DRIFTS).astype(np.float32)[:, None] * t
    y = smooth(g, repeat_period(g, before["history"], lag, places), 1)
    e = smooth(g, next_excitation.slice(0, ALIGNED), 0)
    power = (y * y).sum(1) * (e * e).sum(0, keepdims=True)
    r = (y @ e.reshape(ALIGNED, 1)).reshape(-1) / (power + 1e-6).op("Sqrt")
    best = (r - DRIFT_COST * np.abs(DRIFTS) / DRIFTS[-1]).op("ArgMax", dtype=np.int64, axis=0, keepdims=1)
    found = g.constant(DRIFTS).take(best)
    g.output("drift", g.where(voicing.op("Greater", VOICED, dtype=bool), found, found * 0.0), [1])
    return g.model()


def smooth(g: Graph, x: Tensor, axis: int) -> Tensor:
    """Return the moving sum of x, float64, along its last axis."""
    sums = g.op("CumSum", x.astype(np.float64), np.array(axis), dtype=np.float64)
    moving = sums.slice(SMOOTH, axis=axis) - sums.slice(0, -SMOOTH, axis=axis)
    return g.concat([sums.slice(0, SMOOTH, axis=axis), moving], axis=axis)


def find_period(g: Graph, history: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lag with the largest normalised autocorrelation of a history (H,), and this correlation, (1,) each."""
    h = smooth(g, history, 0)
    lags = np.arange(MIN_LAG, MAX_LAG)
    at = HISTORY - WINDOW - lags
    product = correlate(g, h.slice(at[-1], at[0] + WINDOW), h.slice(-WINDOW), len(lags)).take(at - at[-1])
    sums = g.concat([g.constant(np.zeros(1)), g.op("CumSum", h * h, np.array(0), dtype=np.float64)])
    earlier, present = sums.take(at + WINDOW) - sums.take(at), sums.slice(-1) - sums.slice(-WINDOW - 1, -WINDOW)
    r = product / (present * earlier + 1e-6).op("Sqrt")
    best = (r - LAG_COST * lags / MAX_LAG).op("ArgMax", dtype=np.int64, axis=0, keepdims=1)
    return best + MIN_LAG, r.take(best).clip(0.0, 1.0)


def correlate(g: Graph, x: Tensor, v: Tensor, n: int) -> Tensor:
    """Return the correlations (n,) of x (n + k - 1,) and v (k,), without padding; n is a multiple of 16, k is `WINDOW`.

    Output 16 i + j is a product of x from 16 i on with v delayed by j: two small matrices instead of a large one.
    """
    step = 16
    rows = x.take(np.arange(0, n, step)[:, None] + np.arange(WINDOW + step - 1))
    zeros = g.constant(np.zeros(step - 1))
    columns = g.concat([zeros, v, zeros]).take(np.arange(WINDOW + step - 1)[:, None] + np.arange(step - 1, -1, -1))
    return (rows @ columns).reshape(n)
