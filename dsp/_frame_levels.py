"""Levels of frames, measured while a recording is read in blocks.

Place in the chain: beside the analysis of recordings, which may be at a lower sample rate. Delay: none.
"""

from collections.abc import Iterable, Iterator

import numpy as np

SILENCE_DBFS = -120.0


class FrameLevels:
    """Measure the level of every frame's own samples while blocks of samples pass.

    Parameters
    ----------
    hop : float
        Samples from frame to frame, which need not be whole.
    """

    def __init__(self, hop: float):
        self.hop, self.n_samples = hop, 0
        self._power = [0.0]  # sums of squares, of each frame that has begun

    def passing(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the blocks as they are."""
        for block in blocks:
            self._add(block)
            yield block

    def _add(self, block: np.ndarray) -> None:
        if not len(block):
            return
        begin, end = self.n_samples, self.n_samples + len(block)
        first = len(self._power) - 1
        edges = np.round(np.arange(first + 1, int(end / self.hop) + 2) * self.hop).astype(int)
        edges = edges[edges < end] - begin
        sums = np.add.reduceat(np.square(block, dtype=np.float64), np.concatenate([[0], edges]))
        starts_new = bool(len(edges)) and edges[0] == 0
        self._power[-1] += 0.0 if starts_new else sums[0]
        self._power.extend(sums[1:])
        self.n_samples = end

    def dbfs(self, n_frames: int) -> np.ndarray:
        """Return the level of every frame; the last one's is of all samples from its beginning."""
        power = np.array(self._power[:n_frames] + [0.0] * (n_frames - len(self._power)))
        power[-1] += sum(self._power[n_frames:])
        starts = np.minimum(np.round(np.arange(n_frames + 1) * self.hop), self.n_samples)
        starts[-1] = self.n_samples
        power /= np.maximum(np.diff(starts), 1)
        return 10 * np.log10(np.maximum(2 * power, 10 ** (SILENCE_DBFS / 10)))
