"""The section "Packets of music"."""

from bisect import bisect_right
from math import log2

from .notation import act, clamp, clip, plus, scaled, shift, times, transposed
from .packets import Decoder

BAND_EDGES_LONG = (
    *(0, 5, 9, 14, 19, 24, 29, 35, 41, 48, 56, 64, 74, 85, 97, 112, 129),
    *(149, 172, 198, 227, 258, 292, 329, 369, 415, 466, 525, 591, 665, 746, 834, 928),
)
BAND_EDGES_SHORT = (0, 2, 5, 9, 16, 28, 46, 74, 116)
STEP_EXPONENTS = (
    *(-19, -17, -16, -14, -13, -11, -10, -8, -6, -5, -3, -2, 0),
    *(2, 3, 5, 6, 8, 10, 11, 13, 14, 16, 17, 19),
)


class MusicDecoder(Decoder):
    """Follow the section "Packets of music"."""

    codec, coding_hz, layers_allowed, hop, delay, channels = 2, 44100, 0, 1024, 1024, 2
    D, b = 928, 32

    def reset(self):
        super().reset()
        self.lines = [[0] * self.D] * 4  # mid and side of the packet before the last one, then of the last one

    def band(self, block, k):
        if block:
            return bisect_right(BAND_EDGES_SHORT, k // 8) - 1 + 8 * (k % 8 // 2)
        return bisect_right(BAND_EDGES_LONG, k) - 1

    def flag_and_energies(self, v):
        b = self.b
        return clamp(v[0], 0, 1), (clip(v[1 : 1 + b], 31), clip(v[1 + 2 * b :], 31))

    def exponents(self, v):
        """Return s for both channels and all lines."""
        (block, E), b = self.flag_and_energies(v), self.b
        lines = []
        for i in (0, 1):
            kappa = 2 * block + i
            rows = self.rows["steps_w"][2 * b * kappa : 2 * b * kappa + 2 * b]
            total = plus(times(scaled(256, E[i] + E[1 - i]), transposed(rows)), self.rows["steps_bs"][kappa])
            s = [clamp(shift(n, 20), -110, 70) for n in total]
            lines.append([s[self.band(block, k)] for k in range(self.D)])
        return lines

    def latents(self, coder, q, v):
        s, s1, s2 = (self.exponents(past) for past in (v, self.v1, self.v2))
        (block, E), spectra = self.flag_and_energies(v), []
        for i in (0, 1):
            older, own = self.lines[i], self.lines[2 + i]
            other, s_other = (spectra[0], s[0]) if i else (self.lines[3], s1[1])
            features = self.features(block, E[i], [x + STEP_EXPONENTS[q] for x in s[i]])
            rows = (
                self.surroundings(near(own), 16, s1[i], s[i]),
                self.surroundings(wide(own), 25, s1[i], s[i]),
                self.surroundings(near(older), 16, s2[i], s[i]),
                self.surroundings(near(other), 16, s_other, s[i]),
                self.surroundings(wide(other), 25, s_other, s[i]),
            )
            features = [[*first, *F] for first, F in zip(transposed(rows), features, strict=True)]
            spectra.append(self.spectrum(coder, features, 2 * block + i))
        self.lines = [*self.lines[2:], *spectra]
        return spectra

    def surroundings(self, sums, offset, s_there, s):
        """Return one of the features 0 to 4 of all lines."""
        return [log8(n) - offset + there - here for n, there, here in zip(sums, s_there, s, strict=True)]

    def features(self, block, E, x):
        """Return features 5 to 9 of all lines."""

        def e(j):
            return 4 * (E[clamp(j, 0, self.b - 1)] - 16)

        bands = [self.band(block, k) for k in range(self.D)]
        return [[*(e(j + d) - n for d in (0, -1, 1)), 3 * j - 32, n // 2] for j, n in zip(bands, x, strict=True)]

    def spectrum(self, coder, features, kappa):
        w, y = self.w, []
        for F in features:
            u = [16 * (clamp(n, -32, 63) + 32) for n in F]
            a = act(plus(times(u, w["line_w1"]), w["line_1_bs"][kappa]))
            a = plus(times(a, w["line_w2"]), w["line_2_bs"][kappa])
            z = [16 * log8(1 + min(255, abs(y[-d]))) if len(y) >= d else 0 for d in (1, 2, 8)]
            scale = times(act(plus(a, times(z, w["line_below"]))), w["line_w3"])[0]
            y.append(self.integer(coder, 0, scale + u[5] * w["line_skip"][kappa] + w["line_b3"][kappa]))
        return y


def magnitudes(n):
    return [0] * 4 + [min(255, abs(value)) for value in n] + [0] * 4


def near(n):
    m = magnitudes(n)
    return [m[k + 3] + 2 * m[k + 4] + m[k + 5] for k in range(len(n))]


def wide(n):
    m = magnitudes(n)
    return [sum(m[k : k + 9]) for k in range(len(n))]


def log8(j):
    return round(8 * log2(j)) if j else -12
