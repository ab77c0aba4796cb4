"""The tables of the formant postfilter against polynomial division and their definition."""

import numpy as np

from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.formant_tables import GAMMAS, formant_tables


def test_plain_divides_by_the_preemphasis():
    a, tables = np.array([1, -0.5, 0.3, 0.2, -0.1]), formant_tables(SpeechConfig(order=4))
    np.testing.assert_allclose(np.convolve(a, [1, -PREEMPHASIS]) @ tables.plain, a, atol=1e-6)
    np.testing.assert_allclose(tables.denominator, GAMMAS[1] ** np.arange(5), rtol=1e-6)


def test_no_effect_at_fine_steps_and_the_full_one_at_coarse_steps():
    strength = formant_tables(SpeechConfig()).strength
    assert not strength[:4].any()
    assert (strength[9:] == 1).all()
    assert (np.diff(strength[3:10]) > 0).all()
