"""Tags: defining them, and what people, WeCom and imports say of a member's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app.core import clock, context, ids
from app.core.db import session
from app.core.outbox import emit
from app.members import family
from app.segments import queries, tagging
from app.segments.errors import TagExists, TagInvalid, TagUnknown
from app.segments.events import TagsChanged
from app.segments.models import MemberTag, Tag


def define_tag(
    *,
    brand_id: int,
    name: str,
    group_name: str = "",
    kind: str = "manual",
    segment_id: int | None = None,
    corp_tag_id: str | None = None,
) -> int:
    """Define a tag, or bring a retired one of this name back as what is asked for; returns its id.

    Raises TagInvalid for a bad name, SegmentUnknown, and TagExists when the name or the WeCom tag is in use.
    """
    if not tagging.is_name(name) or (group_name and not tagging.is_name(group_name)):
        raise TagInvalid()
    if segment_id is not None:
        queries.segment(brand_id, segment_id)
    facts = {"kind": kind, "segment_id": segment_id, "corp_tag_id": corp_tag_id}
    statement = insert(Tag).values(
        brand_id=brand_id, tag_id=ids.new_id(), group_name=group_name, name=name, created_at=clock.now(), **facts
    )
    try:
        with session.begin_nested():
            tag_id = session.scalar(
                statement.on_conflict_do_update(
                    index_elements=["brand_id", "group_name", "name"],
                    set_={**facts, "retired_at": None},
                    where=Tag.retired_at.is_not(None),
                ).returning(Tag.tag_id)
            )
    except IntegrityError as error:  # the WeCom tag is another tag's
        raise TagExists() from error
    if tag_id is None:
        raise TagExists()
    return tag_id


def adopt_tag(*, brand_id: int, corp_tag_id: str, group_name: str, name: str) -> int:
    """The tag that is one with a WeCom tag, made when there is none. A WeCom tag of its own follows its name there.

    A tag of ours with the same group and name becomes one with it, unless it is one with another.
    """
    found = session.scalars(select(Tag).where(Tag.brand_id == brand_id, Tag.corp_tag_id == corp_tag_id)).one_or_none()
    named = session.scalars(select(Tag).filter_by(brand_id=brand_id, group_name=group_name, name=name)).one_or_none()
    if found is not None:
        if found.kind == "wecom" and named is None:
            found.group_name, found.name = group_name, name
            session.flush()
        return found.tag_id
    if named is not None and named.corp_tag_id is None:
        named.corp_tag_id = corp_tag_id
        session.flush()
        return named.tag_id
    # The name may be taken by a tag that is one with another WeCom tag: names there are unique only within groups.
    unique = name if named is None else f"{name[: tagging.MAX_NAME - 7]}#{corp_tag_id[-6:]}"
    tag_id = session.scalar(
        insert(Tag)
        .values(
            brand_id=brand_id,
            tag_id=ids.new_id(),
            group_name=group_name,
            name=unique,
            kind="wecom",
            corp_tag_id=corp_tag_id,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(Tag.tag_id)
    )
    if tag_id is None:  # another transaction adopted it meanwhile
        tag_id = session.scalars(select(Tag.tag_id).filter_by(brand_id=brand_id, corp_tag_id=corp_tag_id)).one()
    return tag_id


def retire_tag(*, brand_id: int, tag_id: int) -> None:
    """Let a tag be shown nowhere and put on nobody any more. Its rows stay, and come back with it."""
    tag = session.get(Tag, (brand_id, tag_id))
    if tag is None:
        raise TagUnknown()
    tag.retired_at = tag.retired_at or clock.now()
    session.flush()


def part_with_wecom(*, brand_id: int, tag_id: int) -> None:
    """The WeCom tag is gone: a tag that came from there is retired, any other goes on by itself."""
    tag = session.get(Tag, (brand_id, tag_id))
    if tag is None:
        raise TagUnknown()
    tag.corp_tag_id = None
    if tag.kind == "wecom":
        tag.retired_at = tag.retired_at or clock.now()
    session.flush()


def put(
    *,
    brand_id: int,
    member_id: int,
    tag_ids: Sequence[int],
    source: str,
    said_by: str,
    at: datetime | None = None,
    **evidence: Any,
) -> list[int]:
    """Put tags on a member (the living one); returns those whose row this changed. Raises TagUnknown for a tag that is
    not in use.
    """
    known = session.scalars(
        select(Tag.tag_id).where(Tag.brand_id == brand_id, Tag.tag_id.in_(tag_ids), Tag.retired_at.is_(None))
    ).all()
    if set(known) != set(tag_ids):
        raise TagUnknown()
    if not tag_ids:
        return []
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    word = _word(True, source, said_by, at, evidence)
    _hold(brand_id, member_id, tag_ids, word)
    rows = [{"brand_id": brand_id, "member_id": member_id, "tag_id": tag_id, **word} for tag_id in sorted(tag_ids)]
    changed = session.scalars(
        insert(MemberTag)
        .values(rows)
        .on_conflict_do_update(
            index_elements=["brand_id", "member_id", "tag_id"], set_=word, where=_may_take(True, source, word["at"])
        )
        .returning(MemberTag.tag_id),
        execution_options={"synchronize_session": False},
    ).all()
    return _told(brand_id, member_id, changed)


def take_off(
    *,
    brand_id: int,
    member_id: int,
    tag_ids: Sequence[int],
    source: str,
    said_by: str,
    at: datetime | None = None,
    **evidence: Any,
) -> list[int]:
    """Take tags off a member (the living one); returns those whose row this changed."""
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    word = _word(False, source, said_by, at, evidence)
    _hold(brand_id, member_id, tag_ids, word)
    changed = session.scalars(
        update(MemberTag)
        .where(
            MemberTag.brand_id == brand_id,
            MemberTag.member_id == member_id,
            MemberTag.tag_id.in_(tag_ids),
            _may_take(False, source, word["at"]),
        )
        .values(**word)
        .returning(MemberTag.tag_id),
        execution_options={"synchronize_session": False},
    ).all()
    return _told(brand_id, member_id, changed)


def _word(held: bool, source: str, said_by: str, at: datetime | None, evidence: dict[str, Any]) -> dict[str, Any]:
    return {
        "held": held,
        "source": source,
        "said_by": said_by,
        "at": at or clock.now(),
        "evidence": evidence,
        "correlation_id": context.correlation_id(),
    }


def _hold(brand_id: int, member_id: int, tag_ids: Sequence[int], word: dict[str, Any]) -> None:
    """Lock what stands; where a person repeats it, renew its time, so that no older word comes after."""
    mine = (MemberTag.brand_id == brand_id, MemberTag.member_id == member_id, MemberTag.tag_id.in_(tag_ids))
    session.execute(select(MemberTag.tag_id).where(*mine).order_by(MemberTag.tag_id).with_for_update())
    if word["source"] in tagging.PERSONS:
        session.execute(
            update(MemberTag)
            .where(*mine, MemberTag.held == word["held"], MemberTag.at < word["at"])
            .values(at=word["at"]),
            execution_options={"synchronize_session": False},
        )


def _may_take(held: bool, source: str, at: datetime) -> ColumnElement[bool]:
    """The policy of `tagging` as the condition on the row that stands."""
    standing = tuple_(MemberTag.held, MemberTag.source).in_(sorted(tagging.OVERRIDES[held, source]))
    return standing & (MemberTag.at <= at)


def _told(brand_id: int, member_id: int, changed: Sequence[int]) -> list[int]:
    if changed:
        emit(TagsChanged(brand_id=brand_id, member_id=member_id, members=[member_id], tags=sorted(changed)))
    return sorted(changed)
