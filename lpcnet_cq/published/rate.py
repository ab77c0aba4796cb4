"""The rate control of training: running tables of symbols, and a price of bits that brings the rate to its target.

Place in the chain: training only. A batch is too small to tell what its symbols cost, so bits are counted by tables
that run over the last twenty steps, as the codec counts them by tables of a whole training. The price follows the
relative excess of the rate in proportion and in sum.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lpcnet_cq.published.config import SystemConfig
from lpcnet_cq.published.packet import CODE, LSF
from lpcnet_cq.published.quantiser import RARE
from lpcnet_cq.training.lagrangian import relative_excess

MEMORY = 0.05  # share of the newest step in everything that runs
PROPORTIONAL = 2.0  # log tau is higher by this times the excess
INTEGRAL = 0.03  # and rises by this times the excess and the pace, each step
PACKET_BITS = 4.6  # that a packet takes beyond its symbols, on average


class Control(NamedTuple):
    """Hold the state of the rate control: log price, running excess of the rate, running shares of all symbols."""

    log_tau: jax.Array
    excess: jax.Array
    tables: dict


def start_control(c: SystemConfig, tau: float) -> Control:
    """Return the state before the first step: even shares."""
    tables = {CODE: jnp.full((c.n_modules, c.n_centroids), 1 / c.n_centroids, jnp.float32)}
    if c.n_lsf:
        tables[LSF] = jnp.full((c.n_lsf, c.n_lsf_centroids), 1 / c.n_lsf_centroids, jnp.float32)
    return Control(jnp.log(jnp.float32(tau)), jnp.float32(0), tables)


def price(control: Control) -> jax.Array:
    """Return the price of a bit per code sample."""
    return jnp.exp(control.log_tau + PROPORTIONAL * control.excess)


def used_bps(c: SystemConfig, tables: dict, n_modules: int) -> float:
    """Return the rate of LSFs, the first modules and packets' rounding, by the entropies of their shares."""
    shares = [(c.n_code, tables[CODE][:n_modules])] + ([(1, tables[LSF])] if c.n_lsf else [])
    bits = sum(n * float(-(p * jnp.log2(jnp.maximum(p, RARE))).sum()) for n, p in shares)
    return (bits + PACKET_BITS) * c.frames_per_second


def follow(
    control: Control, c: SystemConfig, on: jax.Array, pace: jax.Array, bps: jax.Array, target_bps: float, shares: dict
) -> Control:
    """Return the state after a step.

    Parameters
    ----------
    control : Control
    c : SystemConfig
    on : scalar
        0 leaves price and excess as they are.
    pace : scalar
        Learning rate relative to its peak in the phase, 0..1: a price that goes on rising where the rate can follow
        no longer overshoots.
    bps : scalar
        Rate of the step's symbols; one that is not finite counts as on target.
    target_bps : float
        Rate to be met, packets' rounding to bytes included.
    shares : dict
        Of the step's symbols.
    """
    excess = on * relative_excess(bps, target_bps - PACKET_BITS * c.frames_per_second)
    running = control.excess + MEMORY * on * (excess - control.excess)
    tables = jax.tree.map(lambda old, new: old + MEMORY * (new - old), control.tables, shares)
    return Control(control.log_tau + INTEGRAL * pace * excess, running, tables)
