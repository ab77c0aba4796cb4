"""The budgets of the design: parameters and multiplications, against a count by hand."""

from dataclasses import replace
from math import log2

import jax
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.evaluation.complexity import macs_per_second
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.model import Model as MusicModel
from lpcnet_cq.nn.layers import count_parameters
from lpcnet_cq.pruning.channels import prune_channels
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training.presets import PRESETS


def test_count_by_hand():
    """Fine rate 1000 Hz, coarse 250 Hz, packets 50 Hz; 16-sample steps, M = 16, S = 5, K = 21."""
    c = SpeechConfig(fine=16, coarse=24, fine_blocks=1, coarse_blocks=2, hidden=10, noise=3)
    fine_block, coarse_blocks = 16 * 16 * 5 + 16 * 16, 2 * (24 * 24 * 3 + 24 * 24)
    shape = 2 * 2 * 17 * 64  # real and imaginary parts of A(z) and A(z/gamma) at 64 frequencies
    allocation = 2 * 5 * 20 * 128 + 128 * 5 * 64
    envelope = 50 * (16 * 16 + 5 * 5 + allocation) + 16000 * 17 + 250 * (shape + 2 * 64 * 64)
    comb = round(6 * 384 * log2(384)) + 2 * 4 * 193 + 5 * 256 + 22 * 32 * 3 + 32 * 6  # lags 32 to 287
    encoder = 1000 * (32 * 16 * 5 + fine_block) + 250 * (16 * 24 * 8 + 19 * 24 + coarse_blocks + 24 * 64)
    decoder = 250 * ((64 + 20) * 24 * 3 + coarse_blocks + 24 * 64) + 1000 * (3 * 16 + fine_block + 16 * 16 * 3)
    side = 42 * 64 + 64 * 42 + 42 * 21 + 21 * 20
    latent = 3 * 64 * 10 + 10 * 10 + 10 * 128 + 64 * 63
    assert macs_per_second(c) == {
        "encoder": encoder + envelope,
        "decoder": decoder + envelope + 250 * comb,
        "entropy": 50 * (side + 42 * 64 + 64 * 50) + 250 * latent,
    }


def test_what_lost_packets_take_by_hand():
    c = SpeechConfig()
    formant = 32 * 64 + 3 * 64 * 6 + 18 * 17 + 2 * 17  # taps, three FFTs of 64, without pre-emphasis, two expansions
    networks = 50 * ((2 * 21 + 3) * 48 + 48 * 21) + 250 * (22 * 48 + 48 * 2 * 64)
    conditions = 3 * 2 * 128 + 3 * 2 * 32  # two more inputs of the decoder and of the long-term postfilter
    repeated = 2 * 64 * 64  # the transform of the repeated excitation
    found = macs_per_second(replace(c, concealment=True))["decoder"] - macs_per_second(c)["decoder"]
    assert found == networks + 250 * (formant + conditions + repeated)


def test_music_by_hand():
    """44100 / 1024 packets a second of two channels; 928 lines in 116 steps; K = 1 + 3 * 32."""
    c = MusicConfig(fine=10, fine_blocks=1, hidden=8)
    K, packets = 97, 44100 / 1024
    transforms = 2 * 928 * (1024 + 128)
    network = (6 * 8 + 2) * 10 * 3 + (10 * 10 * 3 + 10 * 10) + 10 * 16
    side = 2 * K * 64 + 64 * 2 * K + 2 * K * K + K * (K - 1)
    line = 10 * 8 + 8 * 4 + 3 * 4 + 4
    macs = macs_per_second(c)
    assert macs["encoder"] == packets * transforms
    assert macs["decoder"] == pytest.approx(packets * (transforms + 2 * 116 * network))
    assert macs["entropy"] == pytest.approx(packets * (side + 2 * 64 * 32 + 2 * 928 * line))


def test_model_for_music_keeps_its_budget():
    c = PRESETS["audio"].codec
    model = nnx.eval_shape(lambda: MusicModel(c, rngs=nnx.Rngs(0)))
    assert sum(p.size for p in jax.tree.leaves(nnx.state(model, nnx.Param))) <= 0.9e6


def test_released_model_keeps_its_budget():
    c = PRESETS["cq"].codec
    macs = macs_per_second(c)
    assert macs["encoder"] + macs["decoder"] + 2 * macs["entropy"] <= 350e6
    assert macs["decoder"] + macs["entropy"] <= 150e6
    assert count_parameters(nnx.eval_shape(lambda: Model(c, rngs=nnx.Rngs(0)))) == 855027 <= 1e6


def test_narrow_layers_cost_less():
    """Half of the channels within a block: half of both its kernels, at the rate it runs at."""
    c = PRESETS["tiny"].codec
    model = nnx.eval_shape(lambda: Model(c, rngs=nnx.Rngs(0)))
    floats = jax.tree.map(lambda p: np.ones(p.shape, np.float32), nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    assert macs_per_second(c, floats) == macs_per_second(c)
    point = floats["decoder"]["fine"][0]["point"]
    point["kernel"] = np.where(np.arange(c.fine)[:, None] < c.fine // 2, point["kernel"], 0)
    spared = 1000 * (5 + 1) * c.fine * c.fine // 2
    assert macs_per_second(c, prune_channels(floats))["decoder"] == macs_per_second(c)["decoder"] - spared


@pytest.mark.parametrize("name", PRESETS)
def test_parts_cost_something(name):
    assert min(macs_per_second(PRESETS[name].codec).values()) > 1e5
