"""Writes of channels. Callbacks come doubled, late and out of order: the newest event of a relation wins."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto
from app.core.db import session

from .models import Follow, Outbound
from .rules import CONTACT_CONTEXT


def record_follow(
    *,
    corp_id: str,
    userid: str,
    external_userid: str,
    brand_id: int,
    guide_id: int | None,
    person_id: int,
    at: datetime,
    state: str | None = None,
    add_way: int | None = None,
    remark: str | None = None,
) -> bool:
    """Note that a customer added a member of staff at `at`; True when the relation is new or stands again."""
    key = {"corp_id": corp_id, "userid": userid, "external_userid": external_userid}
    facts = {"guide_id": guide_id, "state": state, "add_way": add_way, "remark": remark}
    added = session.scalar(
        insert(Follow)
        .values(
            **key,
            **facts,
            brand_id=brand_id,
            person_id=person_id,
            status="active",
            added_at=at,
            changed_at=at,
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(Follow.external_userid)
    )
    if added is not None:
        return True
    row = session.scalars(
        select(Follow).filter_by(**key).with_for_update().execution_options(populate_existing=True)
    ).one()
    if at < row.changed_at:
        return False
    again = row.status != "active"
    known = {column: value for column, value in facts.items() if value is not None}
    session.execute(
        update(Follow)
        .filter_by(**key)
        .values(status="active", changed_at=at, **known, **({"added_at": at} if again else {})),
        execution_options={"synchronize_session": "fetch"},
    )
    return again


def mark_lost(*, corp_id: str, userid: str, external_userid: str, at: datetime, deleted: bool) -> Follow | None:
    """Note the end of a relation at `at`: `deleted` by the guide, else the customer left. None when it changes nothing.

    A relation we never heard of changes nothing either: what is over needs no row.
    """
    return session.scalars(
        update(Follow)
        .where(
            Follow.corp_id == corp_id,
            Follow.userid == userid,
            Follow.external_userid == external_userid,
            Follow.changed_at <= at,
            Follow.status != ("deleted" if deleted else "lost"),
        )
        .values(status="deleted" if deleted else "lost", changed_at=at)
        .returning(Follow),
        execution_options={"synchronize_session": "fetch", "populate_existing": True},
    ).one_or_none()


def describe_contact(
    *, corp_id: str, external_userid: str, name: str, avatar: str | None, type: int, gender: int
) -> None:
    """Keep what WeCom says of a customer, sealed, on every relation we know."""
    card = {"name": name, "avatar": avatar, "type": type, "gender": gender}
    session.execute(
        update(Follow)
        .where(Follow.corp_id == corp_id, Follow.external_userid == external_userid)
        .values(contact=crypto.encrypt(json.dumps(card, ensure_ascii=False), context=CONTACT_CONTEXT)),
        execution_options={"synchronize_session": "fetch"},
    )


def describe_follow(*, corp_id: str, userid: str, external_userid: str, **facts: Any) -> None:
    """Keep what WeCom says of one relation (remark, add_way, state); a relation we do not know stays unknown."""
    session.execute(
        update(Follow)
        .where(Follow.corp_id == corp_id, Follow.userid == userid, Follow.external_userid == external_userid)
        .values(**{column: value for column, value in facts.items() if value is not None}),
        execution_options={"synchronize_session": "fetch"},
    )


def reserve_outbound(kind: str, key: str, brand_id: int) -> bool:
    """Claim an effect outside before trying it; False when it was claimed before (by whoever: look at its status)."""
    claimed = session.scalar(
        insert(Outbound)
        .values(
            kind=kind,
            key=key,
            brand_id=brand_id,
            status="reserved",
            reserved_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(Outbound.key)
    )
    return claimed is not None


def finish_outbound(
    kind: str, key: str, *, status: str, outside_id: str | None = None, error: str | None = None
) -> None:
    """Write what became of a claimed effect: sent, failed or unknown. What is known already stays."""
    session.execute(
        update(Outbound)
        .where(Outbound.kind == kind, Outbound.key == key, Outbound.status.in_(("reserved", "unknown")))
        .values(
            status=status,
            outside_id=outside_id,
            error=error,
            finished_at=clock.now(),
        ),
        execution_options={"synchronize_session": "fetch"},
    )


def release_outbound(kind: str, key: str) -> None:
    """Give a claim back: nothing happened outside, and the next try may claim it again."""
    session.execute(
        delete(Outbound).where(Outbound.kind == kind, Outbound.key == key, Outbound.status == "reserved"),
        execution_options={"synchronize_session": "fetch"},
    )
