"""A guide is gone: their open tasks go to the colleagues of the store."""

from __future__ import annotations

from sqlalchemy import select, update

from app.core import outbox
from app.core.db import session
from app.org import queries as org

from ..events import TasksDue
from ..models import GuideTask


def leave(*, brand_id: int, guide_id: int) -> int:
    """Give the open tasks of a guide who left to the other guides of each task's store, a member's all to one of them;
    where there is none to its manager, and else to nobody, which the store's list shows. Returns how many moved.
    """
    mine = (GuideTask.brand_id == brand_id, GuideTask.guide_id == guide_id, GuideTask.status == "open")
    moved, told = 0, set()
    stores = select(GuideTask.store_id).where(*mine).distinct().order_by(GuideTask.store_id)
    for store_id in session.scalars(stores).all():
        staff = [one for one in org.guides_of_store(store_id) if one.id != guide_id]
        guides = [one.id for one in staff if one.role == "guide"]
        heirs: list[int | None] = [*(guides or [one.id for one in staff])] or [None]
        for turn, heir in enumerate(heirs):
            found = session.scalars(
                update(GuideTask)
                .where(*mine, GuideTask.store_id == store_id, GuideTask.member_id % len(heirs) == turn)
                .values(guide_id=heir, announced_at=None, notice_id=None)
                .returning(GuideTask.task_id),
                execution_options={"synchronize_session": False},
            ).all()
            moved += len(found)
            if found and heir is not None:
                told.add(heir)
    for heir in sorted(told):
        outbox.emit(TasksDue(brand_id=brand_id, guide_id=heir))
    return moved
