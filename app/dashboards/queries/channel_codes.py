"""Channel codes as the console lists them: who came by each, who stayed, and what they bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from app.channels.codes.models import ChannelCode
from app.channels.codes.rules import SALES_WINDOW
from app.core.db import session
from app.dashboards.reach import Reach
from app.org.models import Guide, Store

STATUSES = ("ordered", "live", "failed", "retired")


@dataclass(frozen=True)
class Brought:
    """What a code brought. `added` counts additions, again ones too; `people` humans, `members` those of them with a
    bound phone. `orders` and `paid_fen`: paid within 30 days after a human came, if no other code brought them since.
    """

    added: int = 0
    opened: int = 0
    lost: int = 0
    people: int = 0
    members: int = 0
    orders: int = 0
    paid_fen: int = 0


@dataclass(frozen=True)
class CodeLine:
    code: ChannelCode
    store_name: str | None
    guide_name: str | None
    brought: Brought = field(default_factory=Brought)


def codes(
    reach: Reach,
    *,
    status: str | None = None,
    kind: str | None = None,
    text_in: str = "",
    after: tuple[datetime, int] | None = None,
    limit: int,
) -> list[CodeLine]:
    """Codes of the reader's stores, newest first, with what they brought: two statements. `text_in`: a part of name or
    purpose, or a whole state; `after` is the last line's (created_at, id).
    """
    statement = _lines(reach).order_by(ChannelCode.created_at.desc(), ChannelCode.id.desc()).limit(limit)
    if status is not None:
        statement = statement.where(ChannelCode.status == status)
    if kind is not None:
        statement = statement.where(ChannelCode.kind == kind)
    if text_in:
        statement = statement.where(
            or_(
                ChannelCode.name.contains(text_in, autoescape=True),
                ChannelCode.purpose.contains(text_in, autoescape=True),
                ChannelCode.state == text_in,
            )
        )
    if after is not None:
        statement = statement.where(tuple_(ChannelCode.created_at, ChannelCode.id) < after)
    return _with_counts(reach, session.execute(statement).all())


def code(reach: Reach, code_id: int) -> CodeLine | None:
    """One code with what it brought; None outside the reader's stores."""
    found = _with_counts(reach, session.execute(_lines(reach).where(ChannelCode.id == code_id)).all())
    return found[0] if found else None


def brought(reach: Reach, code_ids: Sequence[int]) -> dict[int, Brought]:
    """What codes brought, in one statement; sales are those of the reader's stores."""
    rows = session.execute(
        _BROUGHT,
        {
            "brand": reach.brand_id,
            "codes": list(code_ids),
            "everywhere": reach.store_ids is None,
            "stores": sorted(reach.store_ids or ()),
            "window": SALES_WINDOW,
        },
    )
    return {row.code_id: Brought(*(int(value) for value in row[1:])) for row in rows}


def _lines(reach: Reach) -> Any:
    return (
        select(ChannelCode, Store.name, Guide.name)
        .outerjoin(Store, Store.id == ChannelCode.store_id)
        .outerjoin(Guide, Guide.id == ChannelCode.guide_id)
        .where(ChannelCode.brand_id == reach.brand_id, reach.within(ChannelCode.store_id))
    )


def _with_counts(reach: Reach, rows: Sequence[Any]) -> list[CodeLine]:
    counts = brought(reach, [row[0].id for row in rows]) if rows else {}
    return [CodeLine(found, store, guide, counts.get(found.id, Brought())) for found, store, guide in rows]


# `everyone` are all persons behind the humans who came by the codes: an arrival stays with the person it was noted for.
_BROUGHT = text(
    """
    WITH picked AS (
        SELECT DISTINCT coalesce(person.merged_into, person.person_id) AS living
        FROM arrival JOIN person ON person.person_id = arrival.person_id
        WHERE arrival.brand_id = :brand AND arrival.code_id = ANY(:codes)
    ), everyone AS (
        SELECT living AS person_id, living FROM picked
        UNION ALL
        SELECT person.person_id, picked.living FROM person JOIN picked ON person.merged_into = picked.living
    ), came AS (
        SELECT arrival.code_id, arrival.kind, arrival.at, arrival.lost_at, everyone.living,
               lead(arrival.at) OVER (PARTITION BY everyone.living ORDER BY arrival.at, arrival.code_id) AS until
        FROM arrival JOIN everyone ON everyone.person_id = arrival.person_id
        WHERE arrival.brand_id = :brand
    ), mine AS (
        SELECT came.*, membership.member_id
        FROM came LEFT JOIN membership ON membership.brand_id = :brand AND membership.person_id = came.living
        WHERE came.code_id = ANY(:codes)
    ), humans AS (
        SELECT mine.code_id,
               count(*) FILTER (WHERE mine.kind = 'added') AS added,
               count(*) FILTER (WHERE mine.kind = 'opened') AS opened,
               count(*) FILTER (WHERE mine.lost_at IS NOT NULL) AS lost,
               count(DISTINCT mine.living) AS people,
               count(DISTINCT member.member_id) FILTER (WHERE member.bound_at IS NOT NULL) AS members
        FROM mine LEFT JOIN member ON member.brand_id = :brand AND member.member_id = mine.member_id
        GROUP BY mine.code_id
    ), sold AS (
        SELECT mine.code_id, count(*) AS orders, sum(sales_order.paid_fen) AS paid_fen
        FROM mine JOIN sales_order ON sales_order.brand_id = :brand AND sales_order.member_id = mine.member_id
            AND sales_order.paid_at >= mine.at AND sales_order.paid_at < mine.at + :window
            AND (mine.until IS NULL OR sales_order.paid_at < mine.until)
        WHERE sales_order.status = 'paid' AND (:everywhere OR sales_order.store_id = ANY(:stores))
        GROUP BY mine.code_id
    )
    SELECT humans.code_id, humans.added, humans.opened, humans.lost, humans.people, humans.members,
           coalesce(sold.orders, 0), coalesce(sold.paid_fen, 0)
    FROM humans LEFT JOIN sold ON sold.code_id = humans.code_id
    """
).bindparams(bindparam("codes", type_=ARRAY(BigInteger)), bindparam("stores", type_=ARRAY(BigInteger)))
