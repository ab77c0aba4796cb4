"""Network path of the residual coder in NumPy: encoder and decoder of `lpcnet_cq.speech.residual_coder`.

Letters: S subframes, L samples per subframe, P samples per fine step, F = L / P fine steps per subframe, D latents,
M order.
"""

import numpy as np

from lpcnet_cq.light.layers import Block, CausalConv, run_all, silu, start_all
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import COARSE_DILATIONS, FINE_DILATIONS


def conditions(lsf: np.ndarray, mean_lsf: np.ndarray, log_gain: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the decoded envelope and level as network inputs, float32 (S, M + 3).

    Parameters
    ----------
    lsf : array (S, M)
        Decoded and interpolated LSFs, rad.
    mean_lsf : array (M,)
        Mean that is subtracted from the LSFs.
    log_gain : array (S,)
        Decoded log gains (natural log).
    before : array (2,)
        Log gains of the two subframes before.
    """
    S, M = lsf.shape
    gains = np.concatenate([before, log_gain])
    change = gains[1:] - gains[:-1]
    cond = np.empty((S, M + 3), np.float32)
    cond[:, :M] = 5 * (lsf - mean_lsf)
    cond[:, M], cond[:, M + 1], cond[:, M + 2] = 0.3 * (log_gain + 6), change[1:], change[:-1]
    return cond


def _blocks(params: dict, dilations: tuple[int, ...]) -> list[Block]:
    """Return the blocks among the numbered layers `params`, each with the next dilation."""
    blocks = [params[i] for i in sorted(params) if "scale" in params[i]]
    return [Block(block, dilation) for block, dilation in zip(blocks, dilations, strict=False)]


class Encoder:
    """Map residual and speech to latents."""

    def __init__(self, params: dict, c: SpeechConfig):
        fine, coarse = params["fine"], params["coarse"]
        self.step = c.step
        self.fine = [CausalConv(fine[0]), *_blocks(fine, FINE_DILATIONS)]
        self.down = CausalConv(params["down"], stride=c.spec.subframe // c.step)
        self.condition = CausalConv(params["condition"])
        self.coarse = [*_blocks(coarse, COARSE_DILATIONS), CausalConv(coarse[max(coarse)])]

    def start(self) -> dict:
        """Return the state before the first sample."""
        return {"fine": start_all(self.fine), "down": self.down.start(), "coarse": start_all(self.coarse)}

    def __call__(self, state: dict, e: np.ndarray, x: np.ndarray, cond: np.ndarray) -> tuple[dict, np.ndarray]:
        """Return the next state and latents (S, D), before scaling and rounding.

        Parameters
        ----------
        state : dict
        e : float32 array (N,)
            Residual divided by its decoded gain.
        x : float32 array (N,)
            Speech divided by its level, advanced by the look-ahead relative to `e`.
        cond : array (S, M+3)
        """
        u = np.concatenate([e.reshape(-1, self.step), x.reshape(-1, self.step)], axis=1)
        fine, h = run_all(self.fine, state["fine"], u)
        down, h = self.down(state["down"], silu(h))
        h += self.condition.pointwise(cond)
        coarse, y = run_all(self.coarse, state["coarse"], h)
        return {"fine": fine, "down": down, "coarse": coarse}, y


class Decoder:
    """Map decoded latents to the normalised excitation of the previous subframe."""

    def __init__(self, params: dict, c: SpeechConfig):
        fine, coarse = params["fine"], params["coarse"]
        self.F = c.spec.subframe // c.step
        self.coarse = [CausalConv(coarse[0]), *_blocks(coarse, COARSE_DILATIONS)]
        self.up = CausalConv(params["up"])
        self.noise = CausalConv(params["noise"])
        self.fine = [*_blocks(fine, FINE_DILATIONS), CausalConv(fine[max(fine)])]

    def start(self) -> dict:
        """Return the state before the first packet."""
        return {"coarse": start_all(self.coarse), "fine": start_all(self.fine)}

    def __call__(self, state: dict, y: np.ndarray, cond: np.ndarray, noise: np.ndarray) -> tuple[dict, np.ndarray]:
        """Return the next state and the normalised excitation (N,).

        Parameters
        ----------
        state : dict
        y : float32 array (S, D)
            Decoded latents, multiplied by their step size.
        cond : float32 array (S, C)
            Conditions and the log of the latent step size; with concealment, also the two of packet loss.
        noise : array (S*F, C)
            Uniform noise for the fine rate.
        """
        S = len(y)
        coarse, h = run_all(self.coarse, state["coarse"], np.concatenate([y, cond], axis=1))
        h = self.up.pointwise(silu(h)).reshape(S * self.F, -1)
        h += self.noise.pointwise(noise)
        fine, e = run_all(self.fine, state["fine"], h)
        return {"coarse": coarse, "fine": fine}, e.reshape(-1)
