"""How far a reader sees: one brand, and all of its stores or some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, true


@dataclass(frozen=True)
class Reach:
    """`store_ids` None: every store of the brand, and what belongs to no store."""

    brand_id: int
    store_ids: frozenset[int] | None = None

    def within(self, store_column: Any) -> ColumnElement[bool]:
        """The condition that keeps a statement to the reader's stores. Every query of this package uses it."""
        return true() if self.store_ids is None else store_column.in_(sorted(self.store_ids))

    def covers(self, store_id: int | None) -> bool:
        return self.store_ids is None or store_id in self.store_ids
