"""Writes of members: join, bind, assign a guide, move a home store."""

from __future__ import annotations

import secrets
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, crypto, ids
from app.core.db import session
from app.core.locks import lock_rows
from app.core.outbox import emit
from app.identity import commands as identity

from . import queries
from .errors import MemberUnknown
from .events import Bound, GuideAssigned, HomeStoreMoved, Joined, Rebound
from .models import GuideHistory, HomeStoreHistory, Member, MemberNumber, Membership
from .rules import NAME_CONTEXT, number_from


def join(
    *,
    brand_id: int,
    person_id: int,
    source: str,
    store_id: int | None = None,
    card_no: str | None = None,
    name: str | None = None,
    phone_tail: str | None = None,
    birthday: date | None = None,
    gender: int = 0,
    joined_at: datetime | None = None,
) -> int:
    """Make a person a member of a brand and return the member id; a member already is filled in where blank.

    Holds the person until the transaction ends, so a merge of persons cannot slip in between.
    """
    root = identity.hold(person_id)
    facts = {
        "card_no": card_no,
        "name": None if name is None else crypto.encrypt(name, context=NAME_CONTEXT),
        "phone_tail": phone_tail,
        "birthday": birthday,
        "home_store_id": store_id,
    }
    existing = queries.member_of(brand_id, root)
    if existing is not None:
        filled = _fill(existing, {**facts, "gender": gender})
        if "home_store_id" in filled:
            note_home(brand_id, existing.member_id, store_id, reason="filled", moved_by=source, at=clock.now())
        return existing.member_id
    member_id = ids.new_id()
    session.execute(insert(Membership).values(brand_id=brand_id, person_id=root, member_id=member_id))
    session.add(
        Member(
            brand_id=brand_id,
            member_id=member_id,
            person_id=root,
            number=_take_number(brand_id, member_id),
            source=source,
            gender=gender,
            joined_at=joined_at or clock.now(),
            **facts,
        )
    )
    session.flush()
    if store_id is not None:
        note_home(brand_id, member_id, store_id, reason="joined", moved_by=source, at=joined_at or clock.now())
    emit(Joined(brand_id=brand_id, member_id=member_id, person_id=root, source=source, store_id=store_id))
    return member_id


def bind(*, brand_id: int, member_id: int, phone_tail: str) -> bool:
    """Note that the member proved a phone number; True (and members.bound) the first time."""
    row = session.execute(
        update(Member)
        .where(Member.brand_id == brand_id, Member.member_id == member_id, Member.bound_at.is_(None))
        .values(bound_at=clock.now(), phone_tail=phone_tail)
        .returning(Member.person_id, Member.guide_id, Member.home_store_id),
        execution_options={"synchronize_session": "fetch"},
    ).one_or_none()
    if row is None:
        if queries.member(brand_id, member_id) is None:
            raise MemberUnknown()
        return False
    emit(
        Bound(
            brand_id=brand_id,
            member_id=member_id,
            person_id=row.person_id,
            guide_id=row.guide_id,
            store_id=row.home_store_id,
        )
    )
    return True


def change_phone(*, brand_id: int, member_id: int, phone_tail: str | None, change: str) -> None:
    """Note that the member's phone is another one now, or None any more; `change` as in members.rebound."""
    row = session.execute(
        update(Member)
        .where(
            Member.brand_id == brand_id,
            Member.member_id == member_id,
            Member.phone_tail.is_distinct_from(phone_tail),
        )
        .values(phone_tail=phone_tail)
        .returning(Member.person_id),
        execution_options={"synchronize_session": "fetch"},
    ).one_or_none()
    if row is not None:
        emit(Rebound(brand_id=brand_id, member_id=member_id, person_id=row.person_id, change=change))


def hold(*, brand_id: int, member_id: int) -> Member | None:
    """The living member behind an id, locked until the transaction ends, so that it is not merged, and owner and home
    store stay what they are read as.
    """
    found: Member | None = lock_rows(Member, [(brand_id, member_id)]).get((brand_id, member_id))
    while found is not None and found.merged_into is not None:
        found = lock_rows(Member, [(brand_id, found.merged_into)]).get((brand_id, found.merged_into))
    return found


def assign_guide(*, brand_id: int, member_id: int, guide_id: int, store_id: int, reason: str) -> bool:
    """Give a member its owning guide; False when that guide owns it already. A member without a home store gets one."""
    homeless = hold(brand_id=brand_id, member_id=member_id)
    first_home = homeless is not None and homeless.home_store_id is None
    changed = session.execute(
        update(Member)
        .where(
            Member.brand_id == brand_id,
            Member.member_id == member_id,
            Member.guide_id.is_distinct_from(guide_id),
        )
        .values(guide_id=guide_id, home_store_id=func.coalesce(Member.home_store_id, store_id))
        .returning(Member.person_id),
        execution_options={"synchronize_session": "fetch"},
    ).one_or_none()
    if changed is None:
        if queries.member(brand_id, member_id) is None:
            raise MemberUnknown()
        return False
    session.execute(
        insert(GuideHistory).values(
            brand_id=brand_id,
            member_id=member_id,
            from_at=clock.now(),
            guide_id=guide_id,
            store_id=store_id,
            reason=reason,
            correlation_id=context.correlation_id(),
        )
    )
    if first_home:
        note_home(brand_id, member_id, store_id, reason="guide_assigned", moved_by=reason, at=clock.now())
    emit(
        GuideAssigned(
            brand_id=brand_id,
            member_id=member_id,
            person_id=changed.person_id,
            guide_id=guide_id,
            store_id=store_id,
            reason=reason,
        )
    )
    return True


def move_home_store(*, brand_id: int, member_id: int, store_id: int, reason: str, moved_by: str) -> bool:
    """Make a store the home of a member (the living one), whoever owns them; False when it is so already.

    `moved_by`: a public id.
    """
    row = hold(brand_id=brand_id, member_id=member_id)
    if row is None:
        raise MemberUnknown()
    if row.home_store_id == store_id:
        return False
    row.home_store_id = store_id
    session.flush()
    note_home(brand_id, row.member_id, store_id, reason=reason, moved_by=moved_by, at=clock.now())
    emit(HomeStoreMoved(brand_id=brand_id, member_id=row.member_id, person_id=row.person_id, store_id=store_id))
    return True


def note_home(brand_id: int, member_id: int, store_id: int | None, *, reason: str, moved_by: str, at: datetime) -> None:
    """Add a line to the history of a member's home stores."""
    statement = insert(HomeStoreHistory).values(
        brand_id=brand_id,
        member_id=member_id,
        from_at=at,
        store_id=store_id,
        reason=reason,
        moved_by=moved_by,
        correlation_id=context.correlation_id(),
    )
    session.execute(statement.on_conflict_do_nothing())


def _fill(row: Member, facts: dict[str, Any]) -> dict[str, Any]:
    """Write what was blank; what is known stays. Returns what was written."""
    blank = {column: value for column, value in facts.items() if value and not getattr(row, column)}
    if blank:
        session.execute(
            update(Member).where(Member.brand_id == row.brand_id, Member.member_id == row.member_id).values(**blank),
            execution_options={"synchronize_session": "fetch"},
        )
    return blank


def _take_number(brand_id: int, member_id: int) -> str:
    while True:
        number = number_from(secrets.randbelow(900_000_000) + 100_000_000)
        taken = session.scalar(
            insert(MemberNumber)
            .values(brand_id=brand_id, number=number, member_id=member_id)
            .on_conflict_do_nothing()
            .returning(MemberNumber.number)
        )
        if taken is not None:
            return number
