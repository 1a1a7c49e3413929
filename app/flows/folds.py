"""Which domains bring what a merged member had to the member it was merged into, and back, and in which order."""

from __future__ import annotations

from typing import Protocol


class Folding(Protocol):
    """A domain's module `fold`: both functions may be called again, `fold` then moves what arrived late."""

    def fold(self, *, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None: ...

    def unfold(self, *, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None: ...


FOLDS: tuple[Folding, ...] = ()
