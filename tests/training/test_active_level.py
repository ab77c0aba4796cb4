"""Active levels of known signals."""

import numpy as np
import pytest

from lpcnet_cq.training.active_level import active_level_dbov


@pytest.mark.parametrize(
    "x, level_dbov", [(np.ones(640), 0.0), (np.zeros(640), -np.inf), (np.zeros(3), -np.inf), (np.zeros(0), -np.inf)]
)
def test_active_level_of_known_signals(x, level_dbov):
    assert active_level_dbov(x, 320) == level_dbov


def test_pauses_do_not_count():
    speech = np.sin(np.arange(3200))
    paused = np.concatenate([speech, np.zeros(6400), 0.01 * speech])
    assert active_level_dbov(paused, 320) == pytest.approx(active_level_dbov(speech, 320))
