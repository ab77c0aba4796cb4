"""The impaired network of the loopback example, and a call over it by a simulated clock, without sockets or codec."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("aiortc", reason="the extra `rtp` installs it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

from rtp_loopback import Network

from lpcnet_cq.channel import random_losses
from lpcnet_cq.rtp.receiver import Receiver
from lpcnet_cq.rtp.sender import Sender

HOP, FRAME_MS, N = 320, 20.0, 1000
SETTINGS = {"loss": 0.1, "burst": None, "jitter_ms": 60.0, "doubled": 0.05, "seed": 4}


class Counter:
    """Decode packet n to a frame of value n + 1, a missing one to zeros."""

    frame_size, sample_rate_hz, channels = HOP, 16000, 1

    def push(self, data, following=None, next_packet=None, distance=1):
        return np.full(HOP, 0 if data is None else int(data) + 1, np.float32)


def call(copies=0, **changes):
    """Return the network, the receiver and what was played, one value per frame."""
    network, sender = Network(**(SETTINGS | changes)), Sender(HOP, copies=copies)
    receiver, played = Receiver(Counter()), []
    for k in range(N + 20):
        now_ms = k * FRAME_MS
        for data in sender.push(b"%d" % k) if k < N else []:
            network.send(data, now_ms)
        for data in network.deliver(now_ms):  # the receiver looks at its socket when it plays a frame
            receiver.receive(data, now_ms)
        played.append(receiver.play(now_ms)[0])
    return network, receiver, np.array(played)


def test_a_call_survives_loss_jitter_reordering_and_doubling():
    network, receiver, played = call()
    counts, lost = receiver.buffer.counts, random_losses(N, 0.1, 4)
    assert network.counts["sent"] == N and network.counts["dropped"] == lost.sum()
    assert network.counts["overtaken"] > 0.15 * N and network.counts["sent twice"] > 0.03 * N
    assert counts.received == N - lost.sum() and counts.doubled == network.counts["sent twice"]
    assert abs(receiver.buffer.lost - lost.sum()) <= 2, "losses at the ends are not seen"
    heard = played[played > 0]
    assert np.all(np.diff(heard) > 0) and not set(heard - 1) & set(np.flatnonzero(lost))
    assert counts.late < 0.02 * N and len(heard) > 0.97 * counts.received
    assert receiver.buffer.target_ms <= 80 and receiver.damaged == receiver.ignored == 0


def test_copies_bring_most_lost_packets_back():
    _, receiver, played = call(copies=1)
    both = np.sum(random_losses(N, 0.1, 4)[1:] & random_losses(N, 0.1, 4)[:-1])
    assert np.count_nonzero(played) > N - both - 0.02 * N and receiver.buffer.lost > 0.08 * N


def test_a_seed_decides_everything():
    first, second, third = call()[2], call()[2], call(seed=5)[2]
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_a_good_network_changes_nothing():
    network, receiver, played = call(loss=0.0, jitter_ms=0.0, doubled=0.0)
    assert network.counts == {"sent": N, "dropped": 0, "sent twice": 0, "overtaken": 0}
    assert played[played > 0].tolist() == list(range(1, N + 1))
    assert receiver.buffer.counts.concealed <= 20, "only after the end"
