"""What the fuzzer calls with damaged input, and what must hold then.

Every target draws a case, runs it, and returns an `Outcome`; a broken rule raises `Broken`, and any other exception
than `BitstreamError` is a failure as well. The rules: samples are finite and within full scale; what `thin` returns can
be decoded; what `decode` accepts, `info` accepts; a live decoder is unchanged by a damaged packet.
"""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from random import Random

import numpy as np
from fuzz_format import take_apart
from fuzz_mutations import BYTES, STREAM, mutate
from fuzz_seeds import Seed, live_file

from lpcnet_cq.bitstream.container import read_header, write_header
from lpcnet_cq.bitstream.live_container import LiveReader
from lpcnet_cq.bitstream.packet import LIMIT, Integers, put_layers
from lpcnet_cq.bitstream.packing import write_segments
from lpcnet_cq.bitstream.protection import MAX_DISTANCE
from lpcnet_cq.codec import Codec
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.rtp.receiver import Receiver
from lpcnet_cq.rtp.sender import Sender

MUSIC_SHARE = 0.01  # of the cases: compiled code reads and synthesises 50 packets at once
INTEGERS_SHARE = 0.1  # of the streams: packets are written again with other integers


class Broken(AssertionError):
    """A rule is broken."""


@dataclass(frozen=True)
class Case:
    """Hold a case: the name of its target and its mutation, what to run, the bytes, and the packets they can hold.

    `run` returns the message of the error that refused the case; an empty string if it was accepted.
    """

    target: str
    mutation: str
    run: Callable[[], str]
    n_bytes: int
    seconds: float


def checked(y: np.ndarray) -> np.ndarray:
    """Return samples; raise `Broken` if they are not finite or beyond full scale."""
    if not np.isfinite(y).all() or np.abs(y).max(initial=0) > 1:
        raise Broken(f"samples of up to {np.abs(y).max()}")
    return y


def accepts(call: Callable, *arguments) -> str:
    """Return the message of the `BitstreamError` that a call raises, or an empty string."""
    try:
        call(*arguments)
    except BitstreamError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Targets:
    """Draw cases of all targets but weights.

    Parameters
    ----------
    seeds : list of Seed
    """

    seeds: list[Seed]

    @cached_property
    def _speech(self) -> list[Seed]:
        return [seed for seed in self.seeds if seed.codec.kind == "speech"]

    @cached_property
    def _music(self) -> list[Seed]:
        return [seed for seed in self.seeds if seed.codec.kind == "music"]

    def draw(self, random: Random) -> Case:
        """Return a case; the same generator gives the same one."""
        name = random.choices(("decode", "info", "thin", "blocks", "push", "rtp"), (20, 25, 15, 10, 15, 15))[0]
        if name == "push":
            return self._push(random)
        if name == "rtp":
            return self._rtp(random)
        music = self._music and random.random() < MUSIC_SHARE
        seed, other = random.choice(self._music if music else self._speech), random.choice(self._speech)
        if random.random() < INTEGERS_SHARE:
            mutation, data = "integers", with_other_integers(random, seed)
        else:
            mutation, data = mutate(random, seed.data, other.data, STREAM, repair=True)
        run = {"decode": decode, "info": info, "thin": thin, "blocks": decode_blocks}[name]
        parts, spec = take_apart(data), seed.codec.config.spec
        return Case(
            name,
            mutation,
            lambda: run(seed.codec, data),
            len(data),
            parts.n_packets * spec.hop / spec.sample_rate_hz,
        )

    def _push(self, random: Random) -> Case:
        """Packets to a live decoder: whole ones, damaged ones, and lost ones with others, whole or damaged, to help."""
        seed = random.choice([seed for seed in self._speech if take_apart(seed.data).live])
        packets, layers = live_packets(seed)
        others = live_packets(random.choice([s for s in self._speech if take_apart(s.data).live]))[0]
        mutations, given = [], []

        def damaged(data: bytes) -> bytes:
            mutation, data = mutate(random, data, random.choice(others), BYTES, repair=False)
            mutations.append(mutation)
            return data

        for data in packets:
            kind = random.randrange(6)
            if kind < 3:  # lost: `following` and `next_packet` are missing, whole or damaged
                later = (random.choice((None, damaged, bytes)) for _ in range(2))
                known = [change and change(random.choice(packets)) for change in later]
                given.append([None, *known, random.randint(1, MAX_DISTANCE)])
            else:
                given.append([damaged(data) if kind < 5 else data, None, None, 1])
        n_bytes = sum(len(data or b"") for *packets, _ in given for data in packets)
        layers, seconds = random.randint(1, layers), len(given) * 0.02
        return Case("push", (mutations or ["none"])[0], lambda: push(seed.codec, layers, given), n_bytes, seconds)

    def _rtp(self, random: Random) -> Case:
        """Datagrams, some damaged, doubled or in another order, to a receiver."""
        seed = random.choice([seed for seed in self._speech if take_apart(seed.data).live])
        packets, _ = live_packets(seed)
        copies = random.randrange(3)
        sender = Sender(seed.codec.config.spec.hop, aggregate=random.choice((1, 1, 2, 3)), copies=copies)
        sender._sequence, sender._timestamp, sender.ssrc = (random.getrandbits(n) for n in (16, 32, 32))
        sent = [data for packet in [*packets, None] for data in sender.push(packet)]
        datagrams, first = [], "none"
        for data in sent:
            kind = random.randrange(6)
            if kind < 3:
                mutation, data = mutate(random, data, random.choice(sent), BYTES, repair=False)
                first = mutation if first == "none" else first
                if kind < 2:  # with a header that a receiver takes, so that the payload is read
                    data = sent[0][:1] + bytes([random.choice((96, 97, 224, 225))]) + data[2:]
            datagrams += [data] * random.choice((1, 1, 1, 2, 0))
        if random.random() < 0.3:
            random.shuffle(datagrams)
        codec, offset = seed.codec, random.choice((0, 1, 2))
        n_bytes = sum(map(len, datagrams))
        return Case("rtp", first, lambda: receive(codec, datagrams, offset), n_bytes, (len(datagrams) + 5) * 0.02)


def live_packets(seed: Seed) -> tuple[list[bytes], int]:
    """Return the packets of a live stream and its number of layers."""
    file = io.BytesIO(seed.data)
    header = read_header(file)
    return list(LiveReader(file, header).packets()), 1 + (header.live.enhancements if header.live else 0)


def with_other_integers(random: Random, seed: Seed) -> bytes:
    """Return the stream with a few other integers, up to the largest ones, in packets that are written for them."""
    runs, L = seed.integers
    model, packets = seed.codec._parts.entropy, []
    for n in (n for n in runs if len(n.step)):
        step, side, latents = n.step.copy(), n.side.copy(), n.latents.copy()
        for values in random.choices((side, latents), k=random.choice((1, 2, 6))):
            most = random.choice((2, 40, 300, LIMIT))
            flat = values.reshape(-1)
            for at in random.choices(range(flat.size), k=random.choice((1, 4, 60))):
                flat[at] = random.randint(-most, most)
        steps = range(model.n_steps - L * model.layer_steps)
        step[:] = [random.choice(steps) if random.random() < 0.3 else min(int(q), steps[-1]) for q in step]
        packets += put_layers(model, None, Integers(step, side, latents), L)[1]
    header, file = read_header(io.BytesIO(seed.data)), io.BytesIO()
    if header.live:
        return live_file(seed.codec, header, [b"".join(layers) for layers in packets])
    write_header(file, header)
    write_segments(file, packets)
    return file.getvalue()


def decode(codec: Codec, data: bytes) -> str:
    refused = accepts(lambda: checked(codec.decode(data)[0]))
    if not refused and (also := accepts(codec.info, data)):
        raise Broken(f"decode accepts what info refuses: {also}")
    return refused


def info(codec: Codec, data: bytes) -> str:
    return accepts(codec.info, data)


def thin(codec: Codec, data: bytes) -> str:
    thinned = []
    refused = accepts(lambda: thinned.append(codec.thin(data, 1)))
    if not refused and (also := accepts(lambda: checked(codec.decode(thinned[0])[0]))):
        raise Broken(f"thin returns what decode refuses: {also}")
    return refused


def decode_blocks(codec: Codec, data: bytes) -> str:
    def run():
        for y in codec.decode_blocks(io.BytesIO(data)).blocks:
            checked(y)

    return accepts(run)


def push(codec: Codec, layers: int, given: list[list]) -> str:
    decoder, first = codec.decoder(layers), ""
    for arguments in given:
        before = _state_of(decoder)
        refused = accepts(lambda arguments=arguments: checked(decoder.push(*arguments)))
        if refused and _state_of(decoder) != before:
            raise Broken("a damaged packet changes the decoder")
        first = first or refused
    return first


def _state_of(decoder) -> bytes:
    return pickle.dumps({k: v for k, v in vars(decoder).items() if k != "_parts"})


def receive(codec: Codec, datagrams: list[bytes], copy_offset: int) -> str:
    receiver = Receiver(codec.decoder(), copy_offset=copy_offset)
    for i in range(len(datagrams) + 5):
        if i < len(datagrams):
            receiver.receive(datagrams[i], 20.0 * i)
        checked(receiver.play(20.0 * i + 61))
    return f"{receiver.damaged > 0} damaged, {receiver.ignored > 0} ignored"
