"""The one exception that damaged or foreign data raises."""


class BitstreamError(ValueError):
    """Say in one sentence why a stream cannot be decoded: damaged, cut off, foreign, or of another model.

    A caller's mistakes (a wrong rate, a wrong shape) are plain `ValueError`s; this one speaks of data only.

    Examples
    --------
    >>> issubclass(BitstreamError, ValueError)
    True
    """
