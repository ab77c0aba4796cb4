"""Packets: runs, sizes, enhancements, and bytes that must never change; `test_reader` reads them.

The entropy model here is made of integers throughout, tables included: no machine's `tanh` has a say in its bytes.
"""

import numpy as np
import pytest

from lpcnet_cq.bitstream.contexts import Contexts
from lpcnet_cq.bitstream.frequency_tables import N_SCALES, TOTAL
from lpcnet_cq.bitstream.integer_model import FLAG
from lpcnet_cq.bitstream.packet import (
    HALF_WIDTH,
    Integers,
    advance,
    coarser,
    enhancement_bits,
    n_bits,
    put_enhancements,
    put_layers,
    put_packets,
    start,
)
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
S, D, Q = CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.n_steps
K, H = CONFIG.order + S, CONFIG.hidden


class Source:
    """Draw integers from the raw 64-bit words of PCG64, which NumPy promises never to change."""

    def __init__(self, seed):
        self.bits = np.random.PCG64(seed)

    def __call__(self, low, high, *shape):
        """Return int64 values in low..high."""
        raw = self.bits.random_raw(int(np.prod(shape))) >> np.uint64(16)
        return (raw % np.uint64(high - low + 1)).astype(np.int64).reshape(shape) + low


def integer_tables():
    """Make heavy-tailed tables by integer division: weights 1 / (width + distance^2) instead of a logistic's."""
    s, f = np.arange(N_SCALES)[:, None, None], np.arange(16)[None, :, None]
    distance = np.abs(16 * np.arange(-HALF_WIDTH, HALF_WIDTH + 1)[None, None] - f)
    weight = (1 << 40) // ((1 + s) ** 3 + distance**3)
    weight = np.concatenate([weight, weight.min(axis=-1, keepdims=True)], axis=-1)
    frequency = 1 + weight * (TOTAL - weight.shape[-1]) // weight.sum(axis=-1, keepdims=True)
    frequency[..., HALF_WIDTH] += TOTAL - frequency.sum(axis=-1)
    return np.concatenate([np.zeros((N_SCALES, 16, 1), np.int64), np.cumsum(frequency, axis=-1)], axis=-1)


def integer_model(seed=1):
    draw = Source(seed)

    def weights(n_in, n_out):
        return draw(-4096, 4096, n_in, n_out) // max(1, n_in // 4)

    def output(n):
        """Means near 0, scales near table 22."""
        return np.concatenate([draw(-(1 << 18), 1 << 18, n), draw(20 << 20, 24 << 20, n)])

    return SubframeModel(
        {
            "side_w1": weights(2 * K, 64),
            "side_b1": draw(-(1 << 20), 1 << 20, 64),
            "side_w2": weights(64, 2 * K),
            "side_b2": output(K),
            "side_skip": weights(2 * K, K),
            "side_tri_mean": np.triu(draw(-(1 << 16), 1 << 16, K, K), 1),
            "side_tri_scale": np.triu(draw(-(1 << 14), 1 << 16, K, K), 1),
            "latent_ws": weights(2 * K, 64),
            "latent_bs": draw(-(1 << 20), 1 << 20, Q, 64),
            "latent_wp": weights(64, S * H),
            "latent_bp": draw(-(1 << 20), 1 << 20, S * H),
            "latent_wy": weights(CONFIG.context * D, H),
            "latent_w2": weights(H, H),
            "latent_b2": draw(-(1 << 20), 1 << 20, H),
            "latent_w3": weights(H, 2 * D),
            "latent_b3": output(D),
            "latent_tri_mean": np.triu(draw(-(1 << 16), 1 << 16, D, D), 1),
            "latent_tri_scale": np.triu(draw(-(1 << 14), 1 << 16, D, D), 1),
            "tables": integer_tables(),
        },
        CONFIG,
    )


MODEL = integer_model()


def integers(T, seed=2, spread=3):
    """Return T packets that resemble coded speech: a slowly moving step, small integers."""
    draw = Source(seed)
    step = np.clip(Q // 2 + np.cumsum(draw(-8, 8, T) // 8 + (draw(0, 7, T) == 0)), 0, Q - 1)
    small = draw(-spread, spread, T, K) * draw(0, 1, T, K)
    return Integers(step, small, draw(-spread, spread, T, S, D) * draw(0, 1, T, S, D))


def test_tables_of_the_test_are_tables():
    assert (np.diff(MODEL.cumulative, axis=-1) >= 1).all() and (MODEL.cumulative[..., -1] == TOTAL).all()


def test_packets_one_by_one_are_the_run():
    n = integers(6)
    whole = put_packets(MODEL, None, n)[1]
    past, single = None, []
    for part in n.runs(1):
        past, (data,) = put_packets(MODEL, past, part)
        single.append(data)
    assert single == whole


def test_size_is_what_n_bits_says():
    """The bytes exceed the ideal by the rounding to whole bytes alone: 4.6 bits a packet, under 3 %."""
    n = integers(400, spread=5)
    ideal = n_bits(MODEL, None, n).sum(axis=1)
    written = np.array([8 * len(p) for p in put_packets(MODEL, None, n)[1]])
    assert 600 < ideal.mean() < 2400
    assert (written - ideal > -1e-6).all() and (written - ideal < 16).all()
    assert 4.2 < (written - ideal).mean() < 5.0
    assert written.sum() < 1.03 * ideal.sum()


def test_bits_of_escapes_are_counted():
    n = integers(1)
    plain = n_bits(MODEL, None, n)[0]
    n.latents[0, -1, -1] = 5000
    far = n_bits(MODEL, None, n)[0]
    assert (far[:-1] == plain[:-1]).all()
    assert 8 * len(put_packets(MODEL, None, n)[1][0]) - far.sum() < 16
    assert 5 + 12 < far[-1] <= 5 + 12 + 16


def test_head_costs_little_while_nothing_changes():
    past = start(MODEL)
    same_step, other = (integers(1) for _ in range(2))
    same_step.step[0], other.step[0] = past.step, past.step + 1
    stays, moves, restarted = (n_bits(MODEL, p, n)[0, 0] for p, n in ((past, same_step), (past, other), (None, other)))
    assert stays < 0.1 and 9 < moves < 9.1 and restarted == pytest.approx(moves + 6 + np.log2(63 / 64), abs=1e-3)


@pytest.mark.parametrize("before", [0, Q // 2, Q - 1])
def test_step_table_is_complete_and_prefers_to_stay(before):
    frequency = np.diff(MODEL.step_table(before, np.int64(2)))
    assert frequency.sum() == TOTAL == FLAG[-1] and frequency.min() >= 1 and frequency.argmax() == before


def test_memory_after_a_run_is_that_after_its_packets():
    n, past = integers(3), start(MODEL)
    for part in n.runs(1):
        past = advance(past, part)
    whole = advance(start(MODEL), n)
    assert past.step == whole.step == n.step[-1]
    np.testing.assert_array_equal(past.side, n.side[-2:])
    np.testing.assert_array_equal(past.latents, n.latents.reshape(-1, D)[-CONFIG.context :])


def test_pinned_bytes():
    """A change here is a new version of the bitstream."""
    n = integers(2, spread=2)
    n.side[1, 2], n.latents[1, 3, 4] = -12345, 77
    packets = put_packets(MODEL, None, n)[1]
    assert [p.hex() for p in packets] == [
        "fdab61bb142a647b3730f0516a878f23b0788d2c2cf45b34aeb127fe46c87d820ccf4039855514c6d207c72748893ca927c7066261"
        "7d08d6f69aadbee1b100640a159fac2a8fa0dd3be001c2c43f165d3e63dd52e5fe6c01ab4dd4336449594c4260",
        "7fb53301dcd0bf6ca9aa2fd5654b3a84640dbc104ae4b9c10f6552e4516cac594b203e58ea8d5880ba9770b065f87b70f22988f0d8"
        "a3ed21c7dd7685a1b9daea2cfb397968fb21ede245a866459cedef2532afb9d5a136796798fe8e7f7bf3a7c0599ba0d131b809d4",
    ]
    n = integers(1, spread=2)
    n.step[:] = 2
    assert put_enhancements(MODEL, None, n)[1][0].hex() == (
        "f3d073ca235a51041cb07d8ae46938b2e08685d05a88e067a1ec902b89d64227b0d13b3d9b15611b3f3e5196828475cec78219bd"
    )


def test_coarser_integers_are_the_nearest_thirds():
    n = Integers(np.arange(3), np.zeros((3, K), np.int64), np.arange(-7, 8).reshape(3, 5, 1))
    m = coarser(MODEL, n)
    np.testing.assert_array_equal(m.latents, np.rint(n.latents / 3))
    np.testing.assert_array_equal(m.step, n.step + CONFIG.layer_steps)


def test_refinement_costs_what_is_left_of_the_fine_integers():
    """By the chain rule: P(n) = P(cell of n) P(n | cell), all three by the frequencies of one table."""
    n = integers(5, spread=4)
    n = Integers(n.step * 0 + 2, n.side, n.latents)
    index, floor = Contexts(MODEL, start(MODEL), n.side, n.step).latents(n.latents)
    table = MODEL.cumulative.reshape(-1, MODEL.cumulative.shape[-1])[index]
    flat = n.latents.reshape(5, -1)
    low = 3 * ((flat + 1) // 3) - 1 - floor + HALF_WIDTH
    take = lambda at: np.take_along_axis(table, at[..., None], -1)[..., 0]  # noqa: E731
    cell, own = take(low + 3) - take(low), take(flat - floor + HALF_WIDTH + 1) - take(flat - floor + HALF_WIDTH)
    np.testing.assert_allclose(enhancement_bits(MODEL, start(MODEL), n), np.log2(cell / own), atol=2e-3)


def test_size_of_refinements_is_what_their_bits_say():
    n = integers(100, spread=4)
    n = Integers(n.step * 0 + 2, n.side, n.latents)
    ideal = enhancement_bits(MODEL, None, n).sum(axis=1)
    written = np.array([8 * len(data) for data in put_enhancements(MODEL, None, n)[1]])
    assert (written - ideal > -1e-6).all() and (written - ideal < 16).all()
    assert written.min() > 0, "an empty enhancement layer could not be told from a missing one"


def test_layers_are_packets_and_refinements():
    n = integers(4)
    n = Integers(n.step * 0 + 2, n.side, n.latents)
    pasts, packets = put_layers(MODEL, None, n, 1)
    base, base_bytes = put_packets(MODEL, None, coarser(MODEL, n))
    assert [layers[0] for layers in packets] == base_bytes
    assert [layers[1] for layers in packets] == put_enhancements(MODEL, None, n)[1]
    assert pasts[0].step == base.step == 2 + CONFIG.layer_steps and pasts[1].step == 2
