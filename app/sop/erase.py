"""What guides noted about a member goes when the member is forgotten; that there was a task, and its outcome, stays."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from app.core.db import session

from .models import GuideTask

ERASED = {"kind": "erased"}


def erase(*, brand_id: int, member_ids: Sequence[int]) -> None:
    """Cancel the open tasks about a member and blank the evidence of the done ones."""
    mine = (GuideTask.brand_id == brand_id, GuideTask.member_id.in_(member_ids))
    quiet = {"synchronize_session": False}
    session.execute(
        update(GuideTask).where(*mine, GuideTask.status == "open").values(status="cancelled"), execution_options=quiet
    )
    session.execute(
        update(GuideTask).where(*mine, GuideTask.evidence.is_not(None)).values(evidence=ERASED),
        execution_options=quiet,
    )
