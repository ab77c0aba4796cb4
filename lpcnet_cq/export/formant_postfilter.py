"""Formant postfilter as ONNX nodes: `lpcnet_cq.light.speech.formant_postfilter`.

Letters: S subframes of one packet, L samples per subframe, K taps.
"""

import numpy as np

from lpcnet_cq.export.filters import residual
from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.light.speech import formant_postfilter as light
from lpcnet_cq.speech.formant_tables import BLOCKS, DFT, FLOOR, GAMMAS, LOSSES, SPREAD, TAPS


def formant_postfilter(
    g: Graph, model: light.FormantPostfilter, x: Tensor, filters: Tensor, step: Tensor, lost: Tensor, S: int
) -> Tensor:
    """Return the filtered speech, float32 (S*L,).

    Parameters
    ----------
    g : Graph
    model : FormantPostfilter
    x : float32 Tensor (S*L,)
    filters : Tensor (S, M+2)
        Filters that synthesised x.
    step : Tensor (1,)
        Index of the step size.
    lost : bool Tensor (1,)
    S : int
    """
    L = model.L
    before = g.state("formant.losses", np.zeros(1))
    losses = before + (lost.astype(np.float64) - before) * SPREAD
    g.next("formant.losses", losses)
    share = ((losses - LOSSES[0]) * (1 / (LOSSES[1] - LOSSES[0]))).clip(0.0, 1.0).astype(np.float32)
    response = impulse_response(g, model, filters, share * g.constant(model.strength).take(step))
    past = g.state("formant.x", model.start().x)
    g.next("formant.x", g.concat([past, x]).slice(1 - TAPS))
    y = residual(past, x, response, S, TAPS - 1, L)
    energy = window(g, model, g.concat([x.reshape(1, S, L), y.reshape(1, S, L)]))
    sums = energy.take(np.arange(S + 1)[:, None] + np.arange(BLOCKS), axis=1).sum(2) + FLOOR
    gain = (sums.slice(0, 1) / sums.slice(1)).op("Sqrt").reshape(S + 1, 1)  # of the subframe before, and of each one
    first = gain.slice(0, S)
    return (y * (first + (gain.slice(1) - first) * model.share)).reshape(-1)


def window(g: Graph, model: light.FormantPostfilter, rows: Tensor) -> Tensor:
    """Return the energies (2, BLOCKS + S) of rows (2, S, L) behind those of the subframes before."""
    energy = g.concat([g.state("formant.energy", model.start().energy), (rows * rows).sum(2)], axis=1)
    g.next("formant.energy", energy.slice(-BLOCKS, axis=1))
    return energy


def impulse_response(g: Graph, model: light.FormantPostfilter, filters: Tensor, strength: Tensor) -> Tensor:
    """Return the impulse response of each subframe, float32 (S, K), at a strength (1,)."""
    g1 = strength * (GAMMAS[0] - GAMMAS[1]) + GAMMAS[1]
    a = filters.astype(np.float32) @ model.plain
    numerator = a * (g1.op("Log") * model.k).op("Exp")
    n_real, n_imag = numerator @ model.to_spectrum.real, numerator @ model.to_spectrum.imag
    d_real, d_imag = a @ model.denominator.real, a @ model.denominator.imag
    power = d_real * d_real + d_imag * d_imag
    real, imag = (n_real * d_real + n_imag * d_imag) / power, (n_imag * d_real - n_real * d_imag) / power
    return g.concat([real, imag], axis=1) @ from_spectrum()


def from_spectrum() -> np.ndarray:
    """Return the matrix from real and imaginary parts of a spectrum to the first values of its signal, float32."""
    unit = np.eye(DFT // 2 + 1)
    return np.fft.irfft(np.concatenate([unit, 1j * unit]), DFT)[:, :TAPS].astype(np.float32)


def skip(g: Graph, model: light.FormantPostfilter, x: Tensor, S: int) -> None:
    """Add the next state after speech x (S*L,) that is not filtered."""
    g.next("formant.x", g.concat([g.state("formant.x", model.start().x), x]).slice(1 - TAPS))
    rows = x.reshape(1, S, model.L)
    window(g, model, g.concat([rows, rows]))
