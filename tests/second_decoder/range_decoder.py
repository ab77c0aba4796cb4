"""The sections on the range decoder."""

from bisect import bisect_right

from .notation import check


class RangeDecoder:
    """Follow the section "Range decoder": `low`, `R` and `m`, with C taken from the data anew for every symbol."""

    def __init__(self, data, start):
        self.data, self.start, self.low, self.R, self.m = data, start, 0, 1 << 48, 0

    def symbol(self, cumulative):
        n = 6 + self.m
        C = int.from_bytes(self.data[self.start : self.start + n].ljust(n, b"\0"), "big")
        r = self.R // 65536
        t = (C - self.low) // r
        check(t < 65536, "no symbol has this code")
        k = bisect_right(cumulative, t) - 1
        self.low += r * cumulative[k]
        self.R = r * (cumulative[k + 1] - cumulative[k])
        while self.R < 1 << 40:
            self.low, self.R, self.m = 256 * self.low, 256 * self.R, self.m + 1
        return k

    def bits(self, n):
        return self.symbol(range(0, 65537, 1 << (16 - n)))

    def end(self):
        for n in (self.m, self.m + 1, self.m + 2):
            exponent = 48 + 8 * (self.m - n)
            u = 1 << exponent
            B = -(-self.low // u)
            if (B + 1) * u <= self.low + self.R:
                check(self.data[self.start : self.start + n] == B.to_bytes(n, "big"), "no encoder ends like this")
                return self.start + n
        raise AssertionError("one of the three lengths fits")


class BoundedRangeDecoder(RangeDecoder):
    """Follow the section "Range decoder with bounded numbers", and see that they are."""

    def __init__(self, data, start):
        self.data, self.start, self.R, self.p = data, start, 1 << 48, 6
        self.A = self.T = int.from_bytes(bytes(map(self.byte, range(6))), "big")

    def byte(self, i):
        return self.data[self.start + i] if self.start + i < len(self.data) else 0

    def symbol(self, cumulative):
        r = self.R // 65536
        t = self.A // r
        check(t < 65536, "no symbol has this code")
        k = bisect_right(cumulative, t) - 1
        self.A -= r * cumulative[k]
        self.R = r * (cumulative[k + 1] - cumulative[k])
        while self.R < 1 << 40:
            self.A = 256 * self.A + self.byte(self.p)
            self.T = (256 * self.T + self.byte(self.p)) % 2**48
            self.R, self.p = 256 * self.R, self.p + 1
        assert 0 <= self.A < self.R <= 2**48
        return k

    def end(self):
        low = (self.T - self.A) % 2**48
        for e in (0, 1, 2):
            u = 2 ** (48 - 8 * e)
            g = -low % u
            if g + u <= self.R:
                n = self.p - 6 + e
                check(self.A - self.T % u == g and self.start + n <= len(self.data), "no encoder ends like this")
                return self.start + n
        raise AssertionError("one of the three lengths fits")
