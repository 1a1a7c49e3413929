"""How sure a difference between two groups is: pure functions, with the formulas' sources."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

FEWEST = 30  # below it the normal distribution says too much about means


class Interval(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True)
class Sample:
    """A group of members: how many, how many bought, and the sum and the sum of squares of what each paid, in fen."""

    members: int
    buyers: int
    fen: int
    squares: int

    def __add__(self, other: Sample) -> Sample:
        """Both as one group; nobody may be in both."""
        return Sample(
            self.members + other.members,
            self.buyers + other.buyers,
            self.fen + other.fen,
            self.squares + other.squares,
        )

    @property
    def share(self) -> float:
        """Members who bought, of all; 0 of nobody."""
        return self.buyers / self.members if self.members else 0.0

    @property
    def mean(self) -> float:
        """Fen a member."""
        return self.fen / self.members if self.members else 0.0

    @property
    def variance(self) -> float:
        """The variance of what a member paid, estimated from the sample (n - 1). Exact in integers until divided."""
        n = self.members
        return (self.squares * n - self.fen * self.fen) / (n * (n - 1)) if n > 1 else 0.0


def wilson(hits: int, tries: int, level: float = 0.95) -> Interval:
    """The score interval of a share.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212.
    """
    z = _z(level)
    share = hits / tries
    middle = share + z * z / (2 * tries)
    half = z * sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    whole = 1 + z * z / tries
    return Interval(max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole))


def difference_of_shares(one: Sample, other: Sample, level: float = 0.95) -> Interval | None:
    """The interval of one share minus another; None when a group is empty.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven
    methods", Statistics in Medicine 17 (1998), 873-890, method 10 (score intervals, no continuity correction).
    """
    if not one.members or not other.members:
        return None
    p, q = one.share, other.share
    first, second = wilson(one.buyers, one.members, level), wilson(other.buyers, other.members, level)
    below = sqrt((p - first.low) ** 2 + (second.high - q) ** 2)
    above = sqrt((first.high - p) ** 2 + (q - second.low) ** 2)
    return Interval(p - q - below, p - q + above)


def difference_of_means(one: Sample, other: Sample, level: float = 0.95) -> Interval | None:
    """The interval of one mean minus another with unequal variances, in fen; None when a group is below FEWEST.

    B. L. Welch, "The generalization of 'Student's' problem when several different population variances are involved",
    Biometrika 34 (1947), 28-35, with the normal quantile in place of t: groups here have thousands.
    """
    if min(one.members, other.members) < FEWEST:
        return None
    half = _z(level) * sqrt(one.variance / one.members + other.variance / other.members)
    middle = one.mean - other.mean
    return Interval(middle - half, middle + half)


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)
