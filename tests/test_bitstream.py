"""A second decoder, written from docs/bitstream.md with plain integers alone, reads what ours writes."""

import io
import struct
from bisect import bisect_right
from itertools import accumulate

import numpy as np
import pytest

from lpcnet_cq.bitstream.container import Header, write_header, write_segment
from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.bitstream.packet import Integers, put_layers
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
M, S, D, Q = CONFIG.order, CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.n_steps
K, H = M + S, CONFIG.hidden


def layer(draw, n_in, n_out, size=1.0):
    return size * draw.standard_normal((n_in, n_out)) / n_in**0.5


def entropy_model(draw):
    """Draw float parameters of an entropy model, none of them zero."""
    side = {
        "w1": layer(draw, 2 * K, 64),
        "b1": draw.standard_normal(64),
        "w2": layer(draw, 64, 2 * K),
        "b2": draw.standard_normal(2 * K),
        "skip": layer(draw, 2 * K, K, 0.3),
        "triangular": {"mean": layer(draw, K, K, 0.3), "scale": layer(draw, K, K, 0.3)},
    }
    latent = {
        "ws": layer(draw, 2 * K, 64),
        "bs": draw.standard_normal(64),
        "step": draw.standard_normal((Q, 64)),
        "wp": layer(draw, 64, S * H),
        "bp": draw.standard_normal(S * H),
        "wy": layer(draw, CONFIG.context * D, H),
        "w2": layer(draw, H, H),
        "b2": draw.standard_normal(H),
        "w3": layer(draw, H, 2 * D),
        "b3": draw.standard_normal(2 * D),
        "triangular": {"mean": layer(draw, D, D, 0.3), "scale": layer(draw, D, D, 0.3)},
    }
    return {"side": side, "latent": latent}


class Symbols:
    """Follow the page's "Packets": L, R and m, with C taken from the data anew for every symbol."""

    def __init__(self, data, start):
        self.data, self.start, self.L, self.R, self.m = data, start, 0, 1 << 48, 0

    def next(self, cumulative):
        n = 6 + self.m
        C = int.from_bytes(self.data[self.start : self.start + n].ljust(n, b"\0"), "big")
        r = self.R // 65536
        symbol = bisect_right(cumulative, (C - self.L) // r) - 1
        self.L += r * cumulative[symbol]
        self.R = r * (cumulative[symbol + 1] - cumulative[symbol])
        while self.R < 1 << 40:
            self.L, self.R, self.m = 256 * self.L, 256 * self.R, self.m + 1
        return symbol

    def bits(self, n):
        return self.next(range(0, 65537, 1 << (16 - n)))

    def end(self):
        for n in (self.m, self.m + 1, self.m + 2):
            u = 1 << 48 + 8 * (self.m - n)
            B = -(-self.L // u)
            if (B + 1) * u <= self.L + self.R:
                assert self.data[self.start : self.start + n] == B.to_bytes(n, "big")
                return self.start + n
        raise AssertionError("no length fits")


def clipped(vectors, c):
    return [max(-c, min(c, n)) for vector in vectors for n in vector]


def times(u, w):
    return [sum(a * b for a, b in zip(u, column, strict=True)) for column in zip(*w, strict=True)]


def plus(a, b):
    return [x + y for x, y in zip(a, b, strict=True)]


def activation(z):
    return [max(0, min(2048, (x + 2048) >> 12)) for x in z]


def read_trit(symbols, table, floor, coarse):
    """Follow the page's "Refinements"."""
    at = [3 * coarse + t - floor + 40 for t in (-1, 0, 1)]
    phi = [table[i + 1] - table[i] if 0 <= i <= 80 else 1 for i in at]
    low, high = (1 + 65533 * phi[i] // sum(phi) for i in (0, 2))
    return 3 * coarse + symbols.next([0, low, 65536 - high, 65536]) - 1


def read_vector(symbols, w, name, c, mean, scale, coarse=None):
    """Follow the page's "The integers", with the sums over j < k."""
    v = []
    for k in range(len(mean)):
        before = list(enumerate(clipped([v], c)))
        mu = mean[k] + sum(n * w[f"{name}_tri_mean"][j][k] for j, n in before)
        sigma = scale[k] + sum(abs(n) * w[f"{name}_tri_scale"][j][k] for j, n in before)
        m, s = (mu + (1 << 15)) >> 16, max(0, min(63, (sigma + (1 << 19)) >> 20))
        if coarse:
            v.append(read_trit(symbols, w["tables"][s][m % 16], m >> 4, coarse[k]))
            continue
        d = symbols.next(w["tables"][s][m % 16]) - 40
        if d == 41:
            head = symbols.bits(5)
            b = head // 2
            d = (1 - 2 * (head % 2)) * ((1 << b) + symbols.bits(b) + 40)
        v.append((m >> 4) + d)
    return v


def read_packet(symbols, w, known):
    """Follow the page's "The symbols of a packet"; `known` are q, v', v'' and three y of before."""
    if symbols.next((0, 64512, 65536)):
        known = (Q // 2, [0] * K, [0] * K, [[0] * D] * 3, [[0] * D] * 3)
    before, v1, v2, y, fine = known
    other = 2048 // (Q - 1)
    q = symbols.next([0, *accumulate(65536 - (Q - 1) * other if i == before else other for i in range(Q))])
    U = [256 * n for n in clipped([v1, v2], 31)]
    out = plus(times(activation(plus(times(U, w["side_w1"]), w["side_b1"])), w["side_w2"]), w["side_b2"])
    v = read_vector(symbols, w, "side", 31, plus(out[:K], times(U, w["side_skip"])), out[K:])
    y, latents = read_latents(symbols, w, q, v, v1, y)
    return (q, v, v1, y, fine), (q, v, latents)


def read_refinement(symbols, w, known, packet):
    """Follow the page's "Refinements": the packet again, its latents and its index finer."""
    q, v, v1, y, fine = known
    fine, latents = read_latents(symbols, w, q - 8, v, v1, fine, packet[2])
    return (q, v, v1, y, fine), (q - 8, v, latents)


def read_latents(symbols, w, q, v, v1, y, coarse=None):
    """Read the latents of all subframes behind the three in y; return the last three, and all."""
    G = times([256 * n for n in clipped([v, v1], 31)], w["latent_ws"])
    G = plus(times(activation(plus(G, w["latent_bs"][q])), w["latent_wp"]), w["latent_bp"])
    latents = []
    for i in range(S):
        h = activation(plus(G[i * H : i * H + H], times([256 * n for n in clipped(y, 7)], w["latent_wy"])))
        h = activation(plus(times(h, w["latent_w2"]), w["latent_b2"]))
        out = plus(times(h, w["latent_w3"]), w["latent_b3"])
        latents.append(read_vector(symbols, w, "latent", 7, out[:D], out[D:], coarse and coarse[i]))
        y = [*y[1:], latents[-1]]
    return y, latents


def read_file(data, w):
    """Follow the page's "Header" and "Segments", without the checks."""
    position, packets, last = data[5], [], 0
    while not last:
        n_packets, n_bytes = struct.unpack(">HH", data[position : position + 4])
        last, refined, n_packets = n_packets >> 15, n_packets >> 9 & 63, n_packets & 511
        known, start = None, position + 8
        position = start + n_bytes
        for _ in range(n_packets):
            symbols = Symbols(data[:position], start)
            known, packet = read_packet(symbols, w, known)
            start = symbols.end()
            if refined:
                symbols = Symbols(data[:position], start)
                known, packet = read_refinement(symbols, w, known, packet)
                start = symbols.end()
            packets.append(packet)
        assert start == position
    assert position == len(data)
    return packets


@pytest.mark.parametrize(("seed", "refined"), [(1, 0), (2, 1)])
def test_the_page_is_enough_to_read_a_file(seed, refined):
    """Every integer of a file comes back: some far from their tables, in two segments, with changes of q."""
    draw = np.random.default_rng(seed)
    w = freeze(entropy_model(draw), CONFIG)
    T = 7
    side, latents = draw.integers(-40, 41, (T, K)), draw.integers(-9, 10, (T, S, D))
    latents[draw.random(latents.shape) < 0.03] *= 1700
    n = Integers(draw.integers(0, Q - 8 * refined, T), side, latents)
    file, model = io.BytesIO(), IntegerModel(w, CONFIG)
    write_header(file, Header(320 * T, 16000, 9000, "0" * 16))
    for part in (slice(0, 4), slice(4, T)):
        run = Integers(n.step[part], n.side[part], n.latents[part])
        packets = [b"".join(layers) for layers in put_layers(model, None, run, refined)[1]]
        write_segment(file, packets, part.stop == T, refined)
    packets = read_file(file.getvalue(), {name: value.tolist() for name, value in w.items()})
    assert [q for q, _, _ in packets] == n.step.tolist()
    assert [v for _, v, _ in packets] == n.side.tolist()
    assert [y for _, _, y in packets] == n.latents.tolist()
