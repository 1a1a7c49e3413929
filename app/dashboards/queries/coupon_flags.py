"""Flags with the names of whom they concern, for a reader's stores."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, select

from app.core.db import session
from app.coupons.fraud.models import Flag
from app.dashboards.reach import Reach
from app.dashboards.rules import mask_name
from app.members.models import Member
from app.org.models import Guide, Store


def flags(
    reach: Reach, *, status: str, rule: str | None = None, before: int | None = None, limit: int
) -> list[dict[str, Any]]:
    """Flags in a status, newest first, before a flag id. Each is a dictionary of its columns and names."""
    statement = _flags(reach).where(Flag.status == status).order_by(Flag.flag_id.desc()).limit(limit)
    if rule is not None:
        statement = statement.where(Flag.rule == rule)
    if before is not None:
        statement = statement.where(Flag.flag_id < before)
    return [_line(*row) for row in session.execute(statement)]


def flag(reach: Reach, flag_id: int) -> dict[str, Any] | None:
    """One flag; None outside the reader's stores."""
    row = session.execute(_flags(reach).where(Flag.flag_id == flag_id)).one_or_none()
    return _line(*row) if row else None


def waiting(reach: Reach) -> int:
    """How many wait for a decision."""
    return session.scalar(
        select(func.count())
        .select_from(Flag)
        .where(Flag.brand_id == reach.brand_id, Flag.status == "open", reach.within(Flag.store_id))
    ) or 0  # fmt: skip


def _flags(reach: Reach) -> Select[*tuple[Any, ...]]:
    return (
        select(Flag, Member, Store.name, Guide.name)
        .outerjoin(Member, and_(Member.brand_id == Flag.brand_id, Member.member_id == Flag.member_id))
        .outerjoin(Store, Store.id == Flag.store_id)
        .outerjoin(Guide, Guide.id == Flag.guide_id)
        .where(Flag.brand_id == reach.brand_id, reach.within(Flag.store_id))
        .execution_options(populate_existing=True)
    )


def _line(row: Flag, member: Member | None, store: str | None, guide: str | None) -> dict[str, Any]:
    told = {column.name: getattr(row, column.name) for column in Flag.__table__.columns}
    name = (mask_name(member.plain_name) or member.number) if member is not None else ""
    return told | {"member_name": name, "store_name": store or "", "guide_name": guide or ""}
