"""A call between two processes over UDP on the loopback address, which loses, delays, doubles and reorders packets.

    python experiments/rtp_loopback.py IN OUT.wav [--loss 10] [--jitter-ms 60] [--copies 1] [--speed 4] ...

The sender codes the recording live, one frame per 20 ms of speech (`--speed` makes time run faster), and sends RTP. The
impaired network is part of the sender: each packet is lost or not by a seeded pattern, delayed by a random time of up
to `--jitter-ms`, independently of the others, and a share of them is sent twice. The receiver plays one frame per 20 ms
and writes what is heard to OUT.wav. It stops after the sender's RTCP BYE. Needs `pip install 'lpcnet-cq[rtp]'`.
"""

import argparse
import heapq
import json
import socket
import subprocess
import sys
import time
from functools import partial

import numpy as np

import lpcnet_cq
from lpcnet_cq.audio.reader import prepare, read_audio
from lpcnet_cq.audio.writer import write_wav
from lpcnet_cq.channel import burst_losses, random_losses
from lpcnet_cq.cli.arguments import bitrate_bps
from lpcnet_cq.rtp.receiver import Receiver
from lpcnet_cq.rtp.sender import Sender

ADDRESS = "127.0.0.1"
PATTERN = 1 << 16  # packets after which the losses repeat
SILENCE_S = 10.0  # without any packet, after which the receiver gives up
MAX_DATAGRAM = 1 << 16


class Network:
    """Lose, delay, double and reorder datagrams, as a seed decides.

    Parameters
    ----------
    loss, doubled : float
        Shares of the datagrams.
    burst : float or None
        Mean number lost in a row; None for independent losses.
    jitter_ms : float
        Delays are between 0 and this.
    seed : int
    """

    def __init__(self, loss: float, burst: float | None, jitter_ms: float, doubled: float, seed: int):
        lose = random_losses if burst is None else partial(burst_losses, mean_burst=burst)
        self._lost = lose(PATTERN, loss, seed=seed)
        self._random = np.random.RandomState([seed, 1])  # independent of the losses
        self._jitter_ms, self._doubled = jitter_ms, doubled
        self._under_way: list[tuple[float, int, bytes]] = []  # time of arrival, order of sending, datagram
        self.counts = {"sent": 0, "dropped": 0, "sent twice": 0, "overtaken": 0}
        self._delivered = -1

    def send(self, data: bytes, now_ms: float) -> None:
        """Take a datagram."""
        order = self.counts["sent"]
        self.counts["sent"] += 1
        twice, *delays = self._random.rand(3)
        if self._lost[order % PATTERN]:
            self.counts["dropped"] += 1
            return
        copies = 1 + int(twice < self._doubled)
        self.counts["sent twice"] += copies - 1
        for delay in delays[:copies]:
            heapq.heappush(self._under_way, (now_ms + delay * self._jitter_ms, order, data))

    def deliver(self, now_ms: float) -> list[bytes]:
        """Return the datagrams that have arrived since the last call."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_ms:
            _, order, data = heapq.heappop(self._under_way)
            self.counts["overtaken"] += order < self._delivered
            self._delivered = max(self._delivered, order)
            arrived.append(data)
        return arrived

    def next_ms(self) -> float:
        """Return when the next datagram arrives."""
        return self._under_way[0][0] if self._under_way else np.inf


class Clock:
    """Tell the time of the call in milliseconds, which runs `speed` times as fast as that of the world."""

    def __init__(self, speed: float):
        self._speed, self._start = speed, time.monotonic()

    def now_ms(self) -> float:
        return 1000 * self._speed * (time.monotonic() - self._start)

    def seconds_to(self, at_ms: float) -> float:
        return max(0.0, (at_ms - self.now_ms()) / 1000 / self._speed)


def warm_up(codec, rate_bps: float) -> None:
    """Compile the coders."""
    encoder, decoder = codec.encoder(rate_bps), codec.decoder()
    silence = np.zeros(encoder.frame_size, np.float32)
    for data in [*encoder.push(silence), *encoder.flush(), None]:
        decoder.push(data)


def send(args: argparse.Namespace) -> dict:
    """Be the sender; return counts."""
    from aiortc.rtp import RtcpByePacket  # pyright: ignore[reportMissingImports]

    codec = lpcnet_cq.load(args.model)
    rate_bps = args.bitrate or codec.default_bitrate_bps
    audio = read_audio(args.input, channels=codec.channels)
    x = prepare(audio.x, audio.sample_rate_hz, codec.sample_rate_hz, codec.channels)
    warm_up(codec, rate_bps)
    encoder, hop = codec.encoder(rate_bps, expected_loss=args.loss / 100), codec.config.spec.hop
    sender = Sender(hop, aggregate=args.aggregate, copies=args.copies)
    network = Network(args.loss / 100, args.burst, args.jitter_ms, args.doubled / 100, args.seed)
    n_bytes, clock = 0, Clock(args.speed)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect((ADDRESS, args.port))

        def wait(until_ms: float) -> None:
            while (now_ms := clock.now_ms()) < until_ms:
                for data in network.deliver(now_ms):
                    out.send(data)
                time.sleep(clock.seconds_to(min(until_ms, network.next_ms())))

        def pack_and_send(packets: list[bytes], last: bool = False) -> int:
            sent = [data for packet in packets for data in sender.push(packet)] + (sender.flush() if last else [])
            for data in sent:
                network.send(data, clock.now_ms())
            return sum(map(len, sent))

        for at in range(0, len(x), hop):
            wait(codec.config.spec.ms(at + hop))  # until the frame's last sample has been recorded
            n_bytes += pack_and_send(encoder.push(x[at : at + hop]))
        n_bytes += pack_and_send(encoder.flush(), last=True)
        wait(clock.now_ms() + args.jitter_ms + 1)
        for _ in range(3):
            out.send(bytes(RtcpByePacket(sources=[sender.ssrc])))
    return network.counts | {"kbit/s with RTP headers": round(8 * n_bytes / len(x) * codec.sample_rate_hz / 1000, 2)}


def receive(args: argparse.Namespace) -> dict:
    """Be the receiver; return counts."""
    from aiortc.rtp import is_rtcp  # pyright: ignore[reportMissingImports]

    codec = lpcnet_cq.load(args.model)
    warm_up(codec, args.bitrate or codec.default_bitrate_bps)
    receiver, heard, delays_ms, ended_ms = Receiver(codec.decoder()), [], [], np.inf
    frame_ms = codec.config.spec.ms(codec.config.spec.hop)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ADDRESS, 0))
        print(sock.getsockname()[1], flush=True)
        clock = Clock(args.speed)
        sock.settimeout(60)  # the sender loads its weights
        first = sock.recv(MAX_DATAGRAM, socket.MSG_PEEK)
        clock = Clock(args.speed)
        last_ms = clock.now_ms()
        while clock.now_ms() < ended_ms + receiver.buffer.target_ms and first:
            until_ms = (len(heard) + 1) * frame_ms
            while (left_s := clock.seconds_to(until_ms)) > 0:
                sock.settimeout(left_s)
                try:
                    data = sock.recv(MAX_DATAGRAM)
                except (TimeoutError, BlockingIOError):
                    continue
                last_ms = clock.now_ms()
                if is_rtcp(data):
                    ended_ms = min(ended_ms, last_ms)
                else:
                    receiver.receive(data, last_ms)
            heard.append(receiver.play(until_ms))
            delays_ms.append(receiver.buffer.delay_ms)
            if clock.now_ms() - last_ms > 1000 * args.speed * SILENCE_S:
                break
    write_wav(args.output, np.concatenate(heard), codec.sample_rate_hz)
    counts, n = receiver.buffer.counts, len(delays_ms)
    return {
        "received": counts.received,
        "lost": receiver.buffer.lost,
        "late": counts.late,
        "doubled": counts.doubled,
        "damaged": receiver.damaged,
        "frames decoded": counts.decoded,
        "frames concealed": counts.concealed,
        "frames left out": counts.left_out,
        "jitter, ms": round(receiver.buffer.jitter_ms, 1),
        "delay of the jitter buffer, mean, ms": round(float(np.mean(delays_ms[n // 10 :])), 1),
        "delay of the codec, ms": codec.delay_ms,
    }


def call(argv: list[str]) -> dict:
    """Run receiver and sender as two processes; return the counts of both."""
    command = [sys.executable, __file__, *argv]
    with subprocess.Popen([*command, "--role", "receive"], stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        port = receiver.stdout.readline().strip()
        if not port:
            sys.exit(receiver.wait())
        sent = subprocess.run([*command, "--role", "send", "--port", port], stdout=subprocess.PIPE, text=True)
        if sent.returncode:
            receiver.terminate()
            sys.exit(sent.returncode)
        return json.loads(sent.stdout) | json.loads(receiver.stdout.read())


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("input")
    p.add_argument("output")
    p.add_argument("--model")
    p.add_argument("--bitrate", type=bitrate_bps)
    p.add_argument("--loss", type=float, default=10.0, help="percent (default: 10)")
    p.add_argument("--burst", type=float, help="mean number of packets lost in a row (default: losses are independent)")
    p.add_argument("--jitter-ms", type=float, default=60.0, help="longest delay (default: 60)")
    p.add_argument("--doubled", type=float, default=2.0, help="percent (default: 2)")
    p.add_argument("--aggregate", type=int, default=1, help="packets of the codec per RTP packet (default: 1)")
    p.add_argument("--copies", type=int, default=0, help="of earlier packets in each one (default: 0)")
    p.add_argument("--speed", type=float, default=1.0, help="of time (default: 1)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--role", choices=["call", "send", "receive"], default="call", help=argparse.SUPPRESS)
    p.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.role != "call":
        print(json.dumps((send if args.role == "send" else receive)(args)))
        return
    for name, value in call(sys.argv[1:]).items():
        print(f"{name:<40} {value:>8}")


if __name__ == "__main__":
    main()
