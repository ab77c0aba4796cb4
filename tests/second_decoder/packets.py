"""What packets of both codecs share: flag, step index, side integers, coding of an integer."""

from itertools import accumulate
from operator import mul

from .notation import act, check, clamp, clip, plus, scaled, shift, times, transposed
from .range_decoder import RangeDecoder


class Decoder:
    """Decode the packets of one stream, one by one; this class holds what both codecs share.

    Parameters
    ----------
    config : dict
        Of the weights file.
    tensors : dict
        Nested lists of integers by name, as the section "Tensors of the weights file" gives them.
    """

    codec, coding_hz, layers_allowed, hop, delay, channels = 1, 16000, 1, 320, 64, 1

    def __init__(self, config, tensors, range_decoder=RangeDecoder):
        self.w = {name: transposed(v) if is_matrix(name, v) else v for name, v in tensors.items()}
        self.rows = tensors  # as in the file: by row
        self.Q, self.K, self.range_decoder = config["n_steps"], len(tensors["side_tri_mean"]), range_decoder
        self.known = False

    def reset(self):
        self.known, self.q, self.v1, self.v2 = True, self.Q // 2, [0] * self.K, [0] * self.K

    def packet(self, data, start, layers=0):
        """Return step index, side integers and latents of the packet at `start`, and where it ends."""
        coder = self.range_decoder(data, start)
        if coder.symbol((0, 64512, 65536)):
            self.reset()
        check(self.known, "the packet needs packets that are not known")
        other = 2048 // (self.Q - 1)
        frequencies = [65536 - (self.Q - 1) * other if i == self.q else other for i in range(self.Q)]
        q = coder.symbol([0, *accumulate(frequencies)])
        v = self.side(coder)
        y = self.latents(coder, q, v)
        end = coder.end()
        shown = q, y
        for _ in range(layers):
            check(q >= 8, "the step size has no finer layer")
            coder = self.range_decoder(data, end)
            shown = q - 8, self.enhancement(coder, q - 8, v, y)
            end = coder.end()
        self.q, self.v1, self.v2 = q, v, self.v1
        return (shown[0], v, shown[1]), end

    def side(self, coder):
        w, K = self.w, self.K
        u = scaled(256, clip(self.v1 + self.v2, 31))
        out = plus(times(act(plus(times(u, w["side_w1"]), w["side_b1"])), w["side_w2"]), w["side_b2"])
        return self.vector(coder, "side", 31, plus(out[:K], times(u, w["side_skip"])), out[K:])

    def vector(self, coder, name, c, mean, scale, coarse=None):
        """Decode integers that depend on those before them in the same vector."""
        v = []
        for k in range(len(mean)):
            before = clip(v, c)
            mu = mean[k] + sum(map(mul, before, self.w[f"{name}_tri_mean"][k]))
            sigma = scale[k] + sum(map(mul, map(abs, before), self.w[f"{name}_tri_scale"][k]))
            v.append(self.integer(coder, mu, sigma, coarse and coarse[k]))
        return v

    def integer(self, coder, mean, scale, m=None):
        """Decode an integer, or where m is given that of the enhancement layer."""
        mu, row = shift(mean, 16), clamp(shift(scale, 20), 0, 63)
        table, base = self.rows["tables"][row][mu % 16], mu // 16
        if m is None:
            k = coder.symbol(table)
            n = base + k - 40
            if k == 81:
                w = coder.bits(5)
                distance = 2 ** (w // 2) + coder.bits(w // 2) + 40
                n = base - distance if w % 2 else base + distance
        else:
            a = [3 * m + j - base + 40 for j in (-1, 0, 1)]
            p = [table[i + 1] - table[i] if 0 <= i <= 80 else 1 for i in a]
            low, high = (1 + 65533 * p[i] // sum(p) for i in (0, 2))
            n = 3 * m + coder.symbol((0, low, 65536 - high, 65536)) - 1
        check(abs(n) <= 16000, "an integer is too large")
        return n


def is_matrix(name, value):
    """Say whether a tensor multiplies vectors: biases for each q or kind of block, and tables, do not."""
    return isinstance(value[0], list) and not name.endswith("_bs") and name not in ("tables", "steps_w")
