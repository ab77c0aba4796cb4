"""The registered codecs by kind.

Place in the chain: when weights are read, their kind selects the record with all parts of the codec.
"""

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.contract import CodecRecord
from lpcnet_cq.music.record import MUSIC
from lpcnet_cq.speech.record import SPEECH

_records: dict[str, CodecRecord] = {}


def register(record: CodecRecord) -> None:
    """Add a codec, so that its weights can be saved, loaded and used.

    Raises
    ------
    ValueError
        If another codec of this kind is registered, or the class of the configuration has another kind.
    """
    if record.config.kind != record.kind:
        raise ValueError(f"the record is of kind `{record.kind}`, its configuration of `{record.config.kind}`")
    if _records.get(record.kind, record) != record:
        raise ValueError(f"another codec of the kind `{record.kind}` is registered")
    _records[record.kind] = record


def kinds() -> tuple[str, ...]:
    """Return the kinds of all codecs.

    Examples
    --------
    >>> kinds()[:2]
    ('speech', 'music')
    """
    return tuple(_records)


def record_named(kind: str) -> CodecRecord:
    """Return the record of a kind of codec.

    Raises
    ------
    ValueError
        If no such codec is registered.

    Examples
    --------
    >>> record_named("music").default_bitrate_bps
    96000
    """
    if kind not in _records:
        raise ValueError(f"there is no codec of the kind `{kind}`, known are: {', '.join(_records)}")
    return _records[kind]


def record_of(config: CodecConfig) -> CodecRecord:
    """Return the record of the codec that a configuration describes; raises as `record_named` does."""
    return record_named(config.kind)


register(SPEECH)
register(MUSIC)
