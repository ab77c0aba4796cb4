"""The command `lpcnet-cq channel`: what a listener hears behind a channel that loses packets.

A live encoder codes the recording, the channel loses packets, and a live decoder conceals them.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from lpcnet_cq.cli.arguments import (
    DEFAULT_OFFSET,
    UsageError,
    add_copy_offset,
    add_output,
    output_of,
    percent,
    positive,
    put,
    say,
    whole_number,
)
from lpcnet_cq.cli.info import info_lines
from lpcnet_cq.cli.models import check_dtx, chosen_bitrate_bps, loaded
from lpcnet_cq.cli.notes import copies_notes
from lpcnet_cq.cli.paths import check_output

if TYPE_CHECKING:
    import numpy as np

MOST_SEED = (1 << 32) - 1


def add_channel(commands) -> argparse.ArgumentParser:
    """Add `channel`; return its parser."""
    channel = commands.add_parser("channel", help="audio file to WAV file, over a channel that loses packets")
    channel.add_argument("input", metavar="IN", help="any audio file, or - for standard input")
    channel.add_argument("--loss", type=percent, required=True, metavar="PERCENT", help="of the packets, 0 to 100")
    text = "of packets, of which the encoder is told (default: what --loss says)"
    channel.add_argument("--expected-loss", type=percent, metavar="PERCENT", help=text)
    text = "mean number of packets lost in a row (default: losses are independent)"
    channel.add_argument("--burst", type=positive(float), metavar="N", help=text)
    text = "another one loses others (default: 0)"
    channel.add_argument("--seed", type=whole_number(0, MOST_SEED), default=0, metavar="N", help=text)
    channel.add_argument("--bitrate", help="bits per second: 9k, 9.6k or 9000 (default: 9k of speech, 96k of music)")
    add_copy_offset(channel)
    channel.add_argument("--dtx", action="store_true", help="send no packets in pauses, except their noise")
    add_output(channel)
    channel.set_defaults(run=run_channel, writes=".wav")
    return channel


def run_channel(args: argparse.Namespace) -> int:
    """Code a recording live, lose packets, write what is decoded, and print what was lost."""
    target = output_of(args)
    check_output(args.input, target, args.force, writes=args.writes)
    lose = losses(args.loss / 100, args.burst, args.seed)
    codec = loaded(args.model, args.backend)
    check_dtx(args.dtx, codec)
    rate_bps = chosen_bitrate_bps(args.bitrate, codec)

    from lpcnet_cq.audio.reader import prepare, read_audio, resample
    from lpcnet_cq.audio.writer import write_wav
    from lpcnet_cq.channel import receive

    audio = read_audio(args.input, channels=codec.channels)
    for note in audio.notes:
        say(note)
    x = prepare(audio.x, audio.sample_rate_hz, codec.sample_rate_hz, codec.channels)
    expected = args.loss if args.expected_loss is None else args.expected_loss
    protection = {"expected_loss": expected / 100, "copy_offset": args.copy_offset or DEFAULT_OFFSET}
    for note in copies_notes(args.copy_offset, expected / 100, rate_bps):
        say(note)
    encoder = codec.encoder(rate_bps, **protection, dtx=args.dtx)
    packets = encoder.push(x) + encoder.flush()
    lost, counts = lose_sent(packets, lose)
    y = receive(codec.decoder(), packets, lost, encoder.copy_offset)[encoder.delay_samples :][: len(x)]
    write_wav(target, resample(y, codec.sample_rate_hz, audio.sample_rate_hz)[: len(audio.x)], audio.sample_rate_hz)
    seconds = len(packets) * codec.config.spec.hop / codec.sample_rate_hz
    lines = info_lines({**counts, "bitrate_bps": 8 * sum(map(len, packets)) / seconds})
    if target == "-":
        for line in lines:
            say(line)
    else:
        put("\n".join(lines))
    return 0


def lose_sent(packets: list[bytes], lose: "Callable[[int], np.ndarray]") -> "tuple[np.ndarray, dict[str, float]]":
    """Return which packets are lost, and what to print of it; a packet that is not sent cannot be lost."""
    import numpy as np

    from lpcnet_cq.channel import mean_burst, share_lost

    sent, lost = np.array([len(data) > 0 for data in packets], bool), np.zeros(len(packets), bool)
    lost[sent] = pattern = lose(int(sent.sum()))
    counts = {"packets": len(packets), "not_sent_packets": int((~sent).sum()), "lost_packets": int(lost.sum())}
    return lost, counts | {"share_lost_percent": 100 * share_lost(pattern), "mean_burst_packets": mean_burst(pattern)}


def losses(loss: float, burst: float | None, seed: int) -> "Callable[[int], np.ndarray]":
    """Return the function of a number of packets that says which are lost; its settings are checked.

    Raises
    ------
    UsageError
        If the channel has no such losses.
    """
    from lpcnet_cq.channel import burst_losses, random_losses

    if burst is None:
        lose = partial(random_losses, loss=loss, seed=seed)
    else:
        lose = partial(burst_losses, loss=loss, mean_burst=burst, seed=seed)
    try:
        lose(0)
    except ValueError as error:
        raise UsageError(f"--loss and --burst: {error}") from error
    return lose
