"""What live encoder and live decoder have in common: the frame and the codec's parts.

Place in the chain: below `live.encoder` and `live.decoder`. They replace `files/` for signals that are still being
recorded. Both keep their state between calls. Delay: `codec.delay_ms`, which includes one frame: 20 ms for speech,
23 ms for music.

Alignment: the decoded frames are delayed by `encoder.delay_samples + decoder.delay_samples` relative to the input.
Remove this number of samples at the beginning to align them with the input. After `flush`, the aligned output is at
least as long as the input.
"""

from lpcnet_cq.parts import CodecParts


class LiveCoder:
    """Hold what encoder and decoder have in common."""

    def __init__(self, parts: CodecParts, layers: int):
        self._parts, self._spec, self._layers = parts, parts.config.spec, layers

    @property
    def frame_size(self) -> int:
        """Samples of a frame, per channel."""
        return self._spec.hop

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the frames in Hz."""
        return self._spec.sample_rate_hz

    @property
    def channels(self) -> int:
        """Channels of a frame: its shape is (frame_size,) for 1 channel, else (frame_size, channels)."""
        return self._parts.config.channels
