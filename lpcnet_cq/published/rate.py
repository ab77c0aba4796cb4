"""Rate control in training: running tables of symbols, and a Lagrange multiplier that brings the rate to its target.

Place in the chain: training only. A batch is too small to estimate the bits of its symbols. Therefore bits are computed
with tables that are averaged over about twenty steps; the codec uses tables from many batches. A proportional-integral
controller sets the Lagrange multiplier from the relative excess of the rate.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lpcnet_cq.published.config import SystemConfig
from lpcnet_cq.published.packet import CODE, LSF
from lpcnet_cq.published.quantiser import RARE
from lpcnet_cq.training.lagrangian import relative_excess

AVERAGING = 0.05  # weight of the newest step in running averages
PROPORTIONAL = 2.0  # proportional gain: log tau per relative excess
INTEGRAL = 0.03  # integral gain: change of log tau per step, relative excess and pace
PACKET_BITS = 4.6  # mean bits per packet for rounding to whole bytes


class Control(NamedTuple):
    """Hold the state of the rate control: log multiplier, running means of the excess and of symbol frequencies."""

    log_tau: jax.Array
    excess: jax.Array
    tables: dict


def start_control(c: SystemConfig, tau: float) -> Control:
    """Return the state before the first step, with equal frequencies."""
    tables = {CODE: jnp.full((c.n_modules, c.n_centroids), 1 / c.n_centroids, jnp.float32)}
    if c.n_lsf:
        tables[LSF] = jnp.full((c.n_lsf, c.n_lsf_centroids), 1 / c.n_lsf_centroids, jnp.float32)
    return Control(jnp.log(jnp.float32(tau)), jnp.float32(0), tables)


def multiplier(control: Control) -> jax.Array:
    """Return the Lagrange multiplier tau per bit of a code sample."""
    return jnp.exp(control.log_tau + PROPORTIONAL * control.excess)


def used_bps(c: SystemConfig, tables: dict, n_modules: int) -> float:
    """Return the rate of LSFs, first modules and byte rounding of packets, from the entropies of their shares."""
    shares = [(c.n_code, tables[CODE][:n_modules])] + ([(1, tables[LSF])] if c.n_lsf else [])
    bits = sum(n * float(-(p * jnp.log2(jnp.maximum(p, RARE))).sum()) for n, p in shares)
    return (bits + PACKET_BITS) * c.frames_per_second


def update_control(
    control: Control,
    c: SystemConfig,
    on: jax.Array,
    pace: jax.Array,
    bps: jax.Array,
    target_bps: jax.Array | float,
    shares: dict,
) -> Control:
    """Return the state after a step.

    Parameters
    ----------
    control : Control
    c : SystemConfig
    on : scalar
        0: multiplier and excess do not change.
    pace : scalar
        Learning rate relative to its peak in the phase, 0..1. Late in a phase the rate reacts slowly to the multiplier;
        without this factor the multiplier would overshoot.
    bps : scalar
        Rate of the symbols of the step; a value that is not finite is treated as the target.
    target_bps : scalar
        Target rate, including the rounding of packets to bytes.
    shares : dict
        Relative frequencies of the symbols of the step.
    """
    excess = on * relative_excess(bps, target_bps - PACKET_BITS * c.frames_per_second)
    running = control.excess + AVERAGING * on * (excess - control.excess)
    tables = jax.tree.map(lambda old, new: old + AVERAGING * (new - old), control.tables, shares)
    return Control(control.log_tau + INTEGRAL * pace * excess, running, tables)
