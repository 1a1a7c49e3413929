"""Tasks follow a member who is merged into another, and go home at a split.

Where both have the task of one step and period, the loser's stays behind; if it is open it is closed as `merged`, so
that no guide is asked to do it twice, until a split opens it again.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, update

from app.core import moving
from app.core.db import session
from app.members.family import Homecoming

from .models import GuideTask

_TASKS = moving.Family(head=cast(Table, GuideTask.__table__), unique=("step_id", "period"))


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
    session.execute(
        update(GuideTask)
        .where(GuideTask.brand_id == brand_id, GuideTask.member_id == member_id, GuideTask.status == was)
        .values(status=now),
        execution_options={"synchronize_session": False},
    )
