"""Audio files and samples before and after coding: reading, writing, sample rates, levels, checks."""

from lpcnet_cq.audio.reader import read_audio
from lpcnet_cq.audio.writer import write_wav

__all__ = ["read_audio", "write_wav"]
