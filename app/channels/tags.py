"""The tag library of a corp and which customer bears which tag, as WeCom last said (see `state` for `at`).

WeCom raises no event for the tags of a group that is deleted, and its events do not say what changed: the library is
read again as a whole and put here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.core.db import session
from app.core.outbox import emit

from .events import CorpTagsDropped, FollowTagsChanged
from .models import Follow
from .state import CorpTag, CorpTagGroup, FollowTag


@dataclass(frozen=True)
class LibraryTag:
    tag_id: str
    name: str
    sort: int = 0


@dataclass(frozen=True)
class LibraryGroup:
    group_id: str
    name: str
    sort: int = 0
    tags: tuple[LibraryTag, ...] = ()


def put_library(*, brand_id: int, corp_id: str, groups: Iterable[LibraryGroup], at: datetime) -> list[str]:
    """The whole library as it was at `at`; what is missing from it is gone. Returns the ids of tags that went."""
    groups = list(groups)
    for group in sorted(groups, key=lambda one: one.group_id):
        facts = {"name": group.name, "sort": group.sort}
        _put(CorpTagGroup, {"corp_id": corp_id, "group_id": group.group_id}, brand_id, facts, at)
    for group, tag in sorted(((g, t) for g in groups for t in g.tags), key=lambda pair: pair[1].tag_id):
        facts = {"group_id": group.group_id, "name": tag.name, "sort": tag.sort}
        _put(CorpTag, {"corp_id": corp_id, "tag_id": tag.tag_id}, brand_id, facts, at)
    _drop(CorpTagGroup, corp_id, CorpTagGroup.group_id.not_in([group.group_id for group in groups]), at)
    kept = [tag.tag_id for group in groups for tag in group.tags]
    return _tags_gone(brand_id, corp_id, _drop(CorpTag, corp_id, CorpTag.tag_id.not_in(kept), at))


def drop_tag(*, brand_id: int, corp_id: str, tag_id: str, at: datetime) -> list[str]:
    """A tag was deleted at `at`; the ids of tags that went (none when that was known)."""
    return _tags_gone(brand_id, corp_id, _drop(CorpTag, corp_id, CorpTag.tag_id == tag_id, at))


def drop_tag_group(*, brand_id: int, corp_id: str, group_id: str, at: datetime) -> list[str]:
    """A group was deleted at `at`, and with it every tag of it, of which WeCom tells nothing."""
    _drop(CorpTagGroup, corp_id, CorpTagGroup.group_id == group_id, at)
    return _tags_gone(brand_id, corp_id, _drop(CorpTag, corp_id, CorpTag.group_id == group_id, at))


def put_follow_tags(
    *, corp_id: str, userid: str, external_userid: str, tag_ids: Sequence[str], at: datetime
) -> tuple[list[str], list[str]]:
    """The corp tags of a pair as they were at `at`; (added, removed), told as an event. A pair that is unknown, was
    read since, or has ended since changes nothing.
    """
    pair = {"corp_id": corp_id, "userid": userid, "external_userid": external_userid}
    follow = session.scalar(
        select(Follow)
        .filter_by(**pair)
        .where(readable_at(at))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if follow is None:
        return [], []
    before = set(session.scalars(select(FollowTag.tag_id).filter_by(**pair)))
    return _set_tags(follow, before, set(tag_ids))


def note_marked(
    *, corp_id: str, userid: str, external_userid: str, added: Sequence[str], removed: Sequence[str]
) -> None:
    """We set and cleared tags of a pair ourselves; told as an event like every change of them. Its last read may be
    older than that: the next one is believed again.
    """
    pair = {"corp_id": corp_id, "userid": userid, "external_userid": external_userid}
    follow = session.scalar(
        select(Follow).filter_by(**pair).with_for_update().execution_options(populate_existing=True)
    )
    if follow is not None and follow.status != "deleted":
        before = set(session.scalars(select(FollowTag.tag_id).filter_by(**pair)))
        _set_tags(follow, before, (before | set(added)) - set(removed))


def clear_follow_tags(follow: Follow) -> None:
    """The guide deleted the customer: what they noted of them is gone."""
    pair = {"corp_id": follow.corp_id, "userid": follow.userid, "external_userid": follow.external_userid}
    _set_tags(follow, set(session.scalars(select(FollowTag.tag_id).filter_by(**pair))), set())


def readable_at(at: datetime) -> Any:
    """Whether a read of a pair begun at `at` may be put: nothing newer was read, and the pair did not end since."""
    return and_(
        or_(Follow.read_at.is_(None), Follow.read_at <= at),
        or_(Follow.status != "deleted", Follow.changed_at < at),
    )


def _set_tags(follow: Follow, before: set[str], after: set[str]) -> tuple[list[str], list[str]]:
    added, removed = sorted(after - before), sorted(before - after)
    pair = {"corp_id": follow.corp_id, "userid": follow.userid, "external_userid": follow.external_userid}
    if added:
        session.execute(
            insert(FollowTag).on_conflict_do_nothing(),
            [{**pair, "tag_id": tag_id, "brand_id": follow.brand_id} for tag_id in added],
        )
    if removed:
        session.execute(delete(FollowTag).filter_by(**pair).where(FollowTag.tag_id.in_(removed)))
    if added or removed:
        emit(
            FollowTagsChanged(
                brand_id=follow.brand_id,
                person_id=follow.person_id,
                corp_id=follow.corp_id,
                userid=follow.userid,
                external_userid=follow.external_userid,
                added=added,
                removed=removed,
            )
        )
    return added, removed


def _put(table: Any, key: dict[str, str], brand_id: int, facts: dict[str, Any], at: datetime) -> None:
    values = {**facts, "deleted_at": None}
    changed = or_(*(getattr(table, name).is_distinct_from(value) for name, value in values.items()))
    newer = or_(table.changed_at < at, and_(table.changed_at == at, table.deleted_at.is_(None)))
    statement = insert(table).values(**key, brand_id=brand_id, changed_at=at, **values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=list(key), set_={**values, "changed_at": at}, where=and_(newer, changed)
        )
    )


def _drop(table: Any, corp_id: str, which: Any, at: datetime) -> list[str]:
    key = table.tag_id if table is CorpTag else table.group_id
    gone = session.scalars(
        update(table)
        .where(table.corp_id == corp_id, which, table.deleted_at.is_(None), table.changed_at <= at)
        .values(deleted_at=at, changed_at=at)
        .returning(key),
        execution_options={"synchronize_session": False},
    )
    return sorted(gone)


def _tags_gone(brand_id: int, corp_id: str, tag_ids: list[str]) -> list[str]:
    if tag_ids:
        session.execute(delete(FollowTag).where(FollowTag.corp_id == corp_id, FollowTag.tag_id.in_(tag_ids)))
        emit(CorpTagsDropped(brand_id=brand_id, corp_id=corp_id, tag_ids=tag_ids))
    return tag_ids
