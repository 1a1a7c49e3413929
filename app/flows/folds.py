"""Which domains bring what a merged member had to the member it was merged into, and back, and in which order.

The order is the same both ways: the ledger comes before the tiers that follow from its growth, orders come before
whatever is computed from them.
"""

from __future__ import annotations

from typing import Protocol

from app.coupons import fold as coupons
from app.members.family import Homecoming
from app.points import fold as points
from app.privacy import fold as privacy
from app.sales import fold as sales
from app.segments import fold as segments
from app.sop import fold as sop
from app.tiers import fold as tiers


class Folding(Protocol):
    """A domain's module `fold`: both functions may be called again, `fold` then moves what arrived late. `home`: where
    rows may stand, and whose they were.

    The members are locked FOR UPDATE by the caller, so writes that hold them (`members.family.keep`) are over and seen.
    """

    def fold(self, *, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None: ...

    def unfold(self, *, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None: ...


FOLDS: tuple[Folding, ...] = (sales, points, tiers, coupons, sop, privacy, segments)
