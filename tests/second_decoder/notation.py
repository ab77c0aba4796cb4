"""The page's notation on lists of integers, and the refusal."""

from operator import mul


class Damaged(Exception):
    """Say that a decoder must reject the data."""


def check(condition, sentence):
    if not condition:
        raise Damaged(sentence)


def clip(x, c):
    return [max(-c, min(c, n)) for n in x]


def clamp(x, a, b):
    return max(a, min(b, x))


def shift(x, n):
    return (x + (1 << (n - 1))) >> n


def act(x):
    return [clamp(shift(n, 12), 0, 2048) for n in x]


def times(x, columns):
    return [sum(map(mul, x, column)) for column in columns]


def plus(*vectors):
    return [sum(values) for values in zip(*vectors, strict=True)]


def scaled(factor, x):
    return [factor * n for n in x]


def transposed(matrix):
    return [list(column) for column in zip(*matrix, strict=True)]
