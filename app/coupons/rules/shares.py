"""Splitting sums without losing a fen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .terms import FULL_BP, Terms


class Cost(NamedTuple):
    """Who pays a discount, in fen."""

    hq: int
    dealer: int
    supplier: int


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to `weights` by largest remainder: whole fen that sum to `total` exactly.

    With total <= sum(weights) no share is larger than its weight. Ties go to the earlier line.
    """
    whole = sum(weights)
    if whole <= 0:
        if total:
            raise ValueError("nothing to split over")
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    missing = total - sum(shares)
    if missing:
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
        for i in by_remainder[:missing]:
            shares[i] += 1
    return shares


def cost_share(discount_fen: int, terms: Terms, *, dealer: bool) -> Cost:
    """Who pays a discount, summing to it: the supplier its share, of the rest headquarters theirs and the store's
    dealer what is left. Without a dealer headquarters pay all of the rest.
    """
    supplier = _part(discount_fen, terms.supplier_bp)
    rest = discount_fen - supplier
    hq = _part(rest, terms.hq_bp) if dealer else rest
    return Cost(hq, rest - hq, supplier)


def part(whole_fen: int, done: int, of: int) -> int:
    """The share of a sum that falls on the first `done` of `of` pieces, in whole fen: shares of the pieces one after
    the other are differences of these, so they sum to the whole.
    """
    return whole_fen * done // of


def _part(fen: int, bp: int) -> int:
    return (fen * bp + FULL_BP // 2) // FULL_BP
