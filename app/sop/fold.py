"""Tasks follow a member who is merged into another, and go home at a split.

Where both have the task of one step and period, the loser's stays behind; if it is open it is closed as `merged`, so
that no guide is asked to do it twice, until a split opens it again.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, text

from app.core import moving
from app.core.db import session
from app.members.family import Homecoming

from .models import GuideTask

_TASKS = moving.Family(head=cast(Table, GuideTask.__table__), unique=("step_id", "period"))
_CLOSE = text("""
UPDATE guide_task SET status = :now WHERE brand_id = :brand_id AND member_id = :member_id AND status = :was
""")


def fold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int) -> None:
    moving.move(_TASKS, brand_id=brand_id, source_id=loser_id, target_id=winner_id)
    _close(brand_id, loser_id, was="open", now="merged")


def unfold(*, brand_id: int, winner_id: int, loser_id: int, merge_id: int, home: Homecoming) -> None:
    moving.bring_home(
        _TASKS,
        brand_id=brand_id,
        target_id=loser_id,
        home=home,
    )
    _close(brand_id, loser_id, was="merged", now="open")


def _close(brand_id: int, member_id: int, *, was: str, now: str) -> None:
    session.execute(_CLOSE, {"brand_id": brand_id, "member_id": member_id, "was": was, "now": now})
