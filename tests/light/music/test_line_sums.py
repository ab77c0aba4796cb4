"""Running sums of lines against the sums of whole spectra."""

import numpy as np

from lpcnet_cq.bitstream.frequency_tables import MEAN_BITS, N_SCALES, locate
from lpcnet_cq.bitstream.symbol_tables import FRACTION_MASK
from lpcnet_cq.bitstream.vector_sums import FIRST_FLOOR, WINDOW
from lpcnet_cq.light.music.line_model import LightLineModel
from lpcnet_cq.music.freeze import freeze
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec


def test_running_sums_are_those_of_the_spectrum(perturbed):
    """For both channels, with loud lines, zeros and lines beyond every limit."""
    integers, random = freeze(perturbed[1], C), np.random.default_rng(1)
    model, light = LineModel(integers, C), LightLineModel(integers, C)
    before, side = random.integers(-3, 9, (2, 1, 2, model.K))
    context = model.packet_context(before, side[:, 1], np.array([C.nominal_step]), np.array([2]))
    window = random.integers(-4, 5, (1, model.S, model.context, model.D))
    n = random.integers(-2, 3, (1, model.S, model.D)) * random.integers(0, 2, (1, model.S, model.D))
    n[..., :4], n[..., 30] = 40, -9000
    means, scales = model.latent_context.batch_sums(model.latent(context, window), n)
    assert not means.any()
    single = light.read_context(before[0], side[0, 1], C.nominal_step, 2)
    for channel in range(model.S):
        sums = light.latent_sums(single, channel, window[0, channel])
        for k, value in enumerate(n[0, channel].tolist()):
            ahead = sums.ahead(k)
            assert [len(row) for row in ahead] == [min(WINDOW, model.D - k)] * 2
            mean, scale = ahead[0][0], min(max(ahead[1][0], 0), N_SCALES - 1)
            assert (scale, mean & FRACTION_MASK, (mean >> MEAN_BITS) + FIRST_FLOOR) == locate(0, scales[0, channel, k])
            if value:
                sums.put(k, value)
