"""The exception for streams that cannot be decoded."""


class BitstreamError(ValueError):
    """A stream cannot be decoded: it is damaged, truncated, not a `.cq` stream, or made with other weights.

    Invalid arguments, such as a wrong bitrate or a wrong shape, raise plain `ValueError`.

    Examples
    --------
    >>> issubclass(BitstreamError, ValueError)
    True
    """
