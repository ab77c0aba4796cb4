"""Mel filter banks against librosa."""

import librosa
import numpy as np
import pytest

from lpcnet_cq.training.losses import MEL_BANDS
from lpcnet_cq.training.mel import edges_hz, mel_bank


@pytest.mark.parametrize(("W", "n"), [*MEL_BANDS.items(), (400, 40)])
@pytest.mark.parametrize("sample_rate_hz", [16000, 44100])
def test_slaney_banks_are_librosas(W, n, sample_rate_hz):
    theirs = librosa.filters.mel(sr=sample_rate_hz, n_fft=W, n_mels=n, norm=None).T
    np.testing.assert_allclose(mel_bank(n, W, sample_rate_hz), theirs, atol=1e-7)


@pytest.mark.parametrize("n", [8, 16, 32])
def test_htk_banks_are_librosas(n):
    theirs = librosa.filters.mel(sr=16000, n_fft=512, n_mels=n, htk=True, norm=None).T
    np.testing.assert_allclose(mel_bank(n, 512, 16000, "htk"), theirs, atol=1e-6)


@pytest.mark.parametrize("htk", [False, True])
def test_edges_are_librosas(htk):
    theirs = librosa.mel_frequencies(n_mels=22, fmax=8000, htk=htk)
    np.testing.assert_allclose(edges_hz(20, 8000, "htk" if htk else "slaney"), theirs, rtol=1e-9, atol=1e-9)


def test_every_bin_between_the_outer_peaks_is_in_some_band():
    for n in (8, 16, 32):
        total, peaks = mel_bank(n, 512, 16000, "htk").sum(axis=1), mel_bank(n, 512, 16000, "htk").argmax(axis=0)
        assert total[peaks[0] + 1 : peaks[-1]] == pytest.approx(1, abs=1e-5)
