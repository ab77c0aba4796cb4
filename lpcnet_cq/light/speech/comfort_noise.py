"""Comfort noise in NumPy: `lpcnet_cq.speech.comfort_noise`, which describes it, for one live stream.

Place in the chain: in the decoder, in place of `Model.decode`. The networks do not run.
"""

import numpy as np

from lpcnet_cq.light.noise import uniform_noise
from lpcnet_cq.light.speech.concealment import ConcealmentState
from lpcnet_cq.light.speech.filters import synthesise
from lpcnet_cq.light.speech.model import DecoderState, Model
from lpcnet_cq.light.speech.residual_coder import conditions
from lpcnet_cq.speech.constants import HISTORY, LOG_GAINS


def comfort_noise(model: Model, state: DecoderState, side: np.ndarray) -> tuple[DecoderState, np.ndarray]:
    """Return the decoder's next state and comfort noise of one packet.

    Parameters
    ----------
    model : Model
    state : DecoderState
    side : array (1, K)
        LSF and gain integers.

    Returns
    -------
    state : DecoderState
    y : float32 array (N,)
    """
    c = model.config
    M, S, L = c.order, c.spec.n_subframes, c.spec.subframe
    lsf, g = model.lsf.synthesise(side[:, :M]), model.gain.synthesise(side[:, M:])[0].clip(*LOG_GAINS)
    lsf_hat, sub, a, _ = model.envelope(state.lsf, lsf)
    allocation, _ = model.allocation(state.allocation, conditions(sub, model.lsf.mean, g, state.gain), g)
    noise = uniform_noise(state.position, (S + 1) * L // c.step, c.step).reshape(S + 1, L)
    noise *= np.float32(3**0.5)  # one subframe more than is heard
    gains, filters = np.concatenate([state.gain, g]), np.concatenate([state.a, a])
    excitation = noise[:S] * np.exp(gains[1:-1])[:, None]
    y_state, y = synthesise(state.y, excitation.reshape(-1), filters[:-1])
    y, past = y.astype(np.float32), state.postfilter.y
    concealed = state.concealment
    after = state._replace(
        lsf=lsf_hat[-1].copy(),
        gain=gains[-2:].copy(),
        allocation=allocation,
        lapped=model.lapped.analyse(noise[S - 1], noise[S:])[0],
        a=filters[-1:].copy(),
        y=y_state,
        postfilter=state.postfilter._replace(y=np.concatenate([past, y])[-len(past) :]),
        position=(state.position + S * L // c.step) % 2**32,
        formant=model.formant.skip(state.formant, y) if model.formant and state.formant else None,
        concealment=concealed and as_background(concealed, lsf[0], g, noise[:S].reshape(-1)),
    )
    return after, y


def as_background(state: ConcealmentState, lsf: np.ndarray, g: np.ndarray, e: np.ndarray) -> ConcealmentState:
    """Return the state of the concealment after a packet that is background: it is the noise floor itself.

    Parameters
    ----------
    state : ConcealmentState
    lsf : float64 array (M,)
    g : float64 array (S,)
        Log gains.
    e : float32 array (S*L,)
        Normalised excitation.
    """
    return state._replace(
        lsf=np.stack([state.lsf[1], lsf]),
        gain=np.stack([state.gain[1], g]),
        floor=float(g.mean()),
        floor_lsf=lsf,
        history=np.concatenate([state.history, e])[-HISTORY:],
        count=0,
    )
