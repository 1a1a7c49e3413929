"""A forgotten member stands on no tier any more, and nothing comes of one; that they once did stays, without a name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, update

from app.core.db import session

from .models import MemberTier


def erase(*, brand_id: int, member_ids: Sequence[int], at: datetime) -> None:
    """End the present span of a member (and of those merged into it)."""
    session.execute(
        update(MemberTier)
        .where(
            MemberTier.brand_id == brand_id, MemberTier.member_id.in_(member_ids), MemberTier.valid_to.is_(None)
        )
        .values(valid_to=func.greatest(MemberTier.valid_from + timedelta(microseconds=1), at)),
        execution_options={"synchronize_session": False},
    )
