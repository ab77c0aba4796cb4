"""The rate control: what it takes for the rate, and that the multiplier brings any rate to its target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lpcnet_cq.published.packet import LSF
from lpcnet_cq.published.rate import AVERAGING, PACKET_BITS, multiplier, start_control, update_control

ON, OFF, TARGET_BPS = jnp.float32(1), jnp.float32(0), 9e3


def control_of(c):
    control = start_control(c, 0.5)
    return control, {name: jnp.zeros_like(table) for name, table in control.tables.items()}


def test_begins_with_even_shares_and_the_given_multiplier(tiny):
    control, _ = control_of(tiny(n_modules=2, lpc="trained"))
    assert float(multiplier(control)) == pytest.approx(0.5)
    assert {k: v.shape for k, v in control.tables.items()} == {"code": (2, 8), LSF: (4, 32)}
    assert all(np.allclose(table.sum(axis=-1), 1) for table in control.tables.values())


def test_tables_run(tiny):
    control, shares = control_of(tiny())
    shares = {"code": shares["code"].at[0, 3].set(1.0)}
    for _ in range(200):
        control = update_control(control, tiny(), OFF, ON, jnp.float32(1e3), TARGET_BPS, shares)
    np.testing.assert_allclose(control.tables["code"], shares["code"], atol=(1 - AVERAGING) ** 200)


@pytest.mark.parametrize("bps, on, change", [(2e4, ON, 1), (3e3, ON, -1), (2e4, OFF, 0), (jnp.nan, ON, 0)])
def test_multiplier_follows_the_excess(tiny, bps, on, change):
    control, shares = control_of(tiny())
    after = update_control(control, tiny(), on, ON, jnp.float32(bps), TARGET_BPS, shares)
    assert np.sign(float(multiplier(after)) - float(multiplier(control))) == change


@pytest.mark.parametrize("steepness", [0.5, 1.0, 2.0])
def test_a_rate_that_falls_with_the_multiplier_meets_its_target(tiny, steepness):
    """A codec whose rate answers slowly, as a power of the multiplier; at first four times too high."""
    c = tiny()
    control, shares = control_of(c)
    step = jax.jit(lambda control, bps: update_control(control, c, ON, ON, bps, TARGET_BPS, shares))
    log_bps, found = np.log(36e3), []
    for _ in range(500):
        wanted = np.log(36e3) - steepness * np.log(float(multiplier(control)) / 0.5)
        log_bps += (wanted - log_bps) / 30
        control = step(control, jnp.float32(np.exp(log_bps)))
        found.append(np.exp(log_bps) + PACKET_BITS * c.frames_per_second)
    np.testing.assert_allclose(found[-50:], TARGET_BPS, rtol=0.05)
