"""What a turn of a run writes down: counts, differences, what a list has shown, what else is to be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, ids
from app.core.db import session

from .models import SyncDrift, SyncItem, SyncRun, SyncSeen

# Differences of one kind a run keeps one by one, losses apart; more of them (a first import) are only counted.
DRIFT_KEPT = 2000
COUNTED = ("seen", "unchanged", "changed", "added", "lost", "refused")


class Book:
    """The open run, locked by this transaction. `close` writes what was counted."""

    def __init__(self, run: SyncRun) -> None:
        self.run = run
        self.run_id, self.brand_id, self.corp_id, self.kind = run.run_id, run.brand_id, run.corp_id, run.kind
        self.since = run.since
        self._counts = {step: dict(counted) for step, counted in run.counts.items()}
        self._drifts: dict[tuple[str, str], dict[str, Any]] = {}

    def count(self, step: str, **more: int) -> None:
        """Add to the numbers of a step; see COUNTED."""
        counted = self._counts.setdefault(step, dict.fromkeys(COUNTED, 0))
        for name, number in more.items():
            counted[name] += number

    def counted(self, step: str, name: str) -> int:
        return int(self._counts.get(step, {}).get(name, 0))

    def note(
        self,
        step: str,
        change: str,
        subject: str,
        *,
        read_at: datetime,
        ours: Mapping[str, Any] | None = None,
        theirs: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a difference down: `added` and `changed` are put right in this transaction, `lost` at the run's end."""
        lost = change == "lost"
        if not lost:
            self.count(step, **{change: 1})
            if self.counted(step, "added") + self.counted(step, "changed") > DRIFT_KEPT:
                return
        self._drifts[step, subject] = {
            "drift_id": ids.new_id(),
            "run_id": self.run_id,
            "brand_id": self.brand_id,
            "kind": step,
            "change": change,
            "subject": subject,
            "ours": dict(ours or {}),
            "theirs": dict(theirs or {}),
            "read_at": read_at,
            "repaired": not lost,
            "found_at": clock.now(),
        }

    def read(self, step: str, subjects: Iterable[str]) -> None:
        """Let a step of this run read these too."""
        rows = [
            {"run_id": self.run_id, "step": step, "subject": subject, "status": "due", "cursor": ""}
            for subject in sorted(set(subjects))
        ]
        if rows:
            session.execute(insert(SyncItem).on_conflict_do_nothing(), rows)

    def see(self, listed: str, keys: Collection[str]) -> None:
        """A list has shown these keys."""
        rows = [{"run_id": self.run_id, "list": listed, "key": key} for key in sorted(set(keys))]
        if rows:
            session.execute(insert(SyncSeen).on_conflict_do_nothing(), rows)

    def seen(self, listed: str) -> set[str]:
        """What a list has shown in all its pages."""
        found = select(SyncSeen.key).where(SyncSeen.run_id == self.run_id, SyncSeen.list == listed)
        return set(session.scalars(found))

    def forget(self, listed: str) -> None:
        """The list is complete and compared."""
        session.execute(delete(SyncSeen).where(SyncSeen.run_id == self.run_id, SyncSeen.list == listed))

    def set_aside(self, step: str) -> int:
        """How many of a step's lists could not be read."""
        found = select(func.count()).where(
            SyncItem.run_id == self.run_id, SyncItem.step == step, SyncItem.status == "skipped"
        )
        return session.scalar(found) or 0

    def close(self) -> None:
        """Write the counts and differences of this turn."""
        if self._drifts:
            # A customer may be met twice in a run: the first difference stands, a later loss overrules it.
            statement = insert(SyncDrift).values(list(self._drifts.values()))
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=["run_id", "kind", "subject"],
                    set_={
                        name: statement.excluded[name] for name in ("change", "ours", "theirs", "read_at", "repaired")
                    },
                    where=statement.excluded.change == "lost",
                )
            )
            self._drifts = {}
        session.execute(
            update(SyncRun).where(SyncRun.run_id == self.run_id).values(counts=self._counts),
            execution_options={"synchronize_session": "fetch"},
        )
