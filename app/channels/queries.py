"""Reads of channels."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select

from app.core import crypto
from app.core.db import session
from app.identity import queries as identity

from .models import Follow, Outbound
from .rules import CONTACT_CONTEXT
from .state import CorpTag, CorpTagGroup, FollowTag


@dataclass(frozen=True)
class ContactCard:
    """What WeCom shows of a customer. `type` 1 WeChat user, 2 WeCom user; `gender` 0 unknown, 1 male, 2 female."""

    name: str
    avatar: str | None
    type: int
    gender: int


def follow(corp_id: str, userid: str, external_userid: str) -> Follow | None:
    """The relation of one member of staff and one customer, whatever its status."""
    return session.get(Follow, (corp_id, userid, external_userid), populate_existing=True)


def follows_of_person(person_id: int, *, brand_id: int | None = None, active: bool = False) -> list[Follow]:
    """A person's relations, oldest first; of one brand, and only standing ones, if so asked."""
    statement = select(Follow).where(Follow.person_id.in_(identity.all_ids_of(person_id)))
    if brand_id is not None:
        statement = statement.where(Follow.brand_id == brand_id)
    if active:
        statement = statement.where(Follow.status == "active")
    return list(session.scalars(statement.order_by(Follow.added_at, Follow.userid)))


def contact_card(row: Follow) -> ContactCard | None:
    """Name and picture of the customer, once they were fetched."""
    if row.contact is None:
        return None
    return ContactCard(**json.loads(crypto.decrypt(row.contact, context=CONTACT_CONTEXT)))


def outbound(kind: str, key: str) -> Outbound | None:
    """What became of one effect outside."""
    return session.get(Outbound, (kind, key), populate_existing=True)


def follows_of_persons(brand_id: int, person_ids: Sequence[int]) -> list[tuple[Follow, int]]:
    """The standing relations of living persons in a brand, each with its living person."""
    living = identity.living_by_id(person_ids)
    statement = select(Follow).where(
        Follow.brand_id == brand_id, Follow.person_id.in_(living), Follow.status == "active"
    )
    found = session.scalars(statement.order_by(Follow.external_userid, Follow.userid))
    return [(follow, living[follow.person_id]) for follow in found]


def tags_of_follow(corp_id: str, userid: str, external_userid: str) -> set[str]:
    """The corp tags of a pair, as WeCom last said."""
    pair = {"corp_id": corp_id, "userid": userid, "external_userid": external_userid}
    return set(session.scalars(select(FollowTag.tag_id).filter_by(**pair)))


def tags_borne(brand_id: int, person_id: int) -> set[str]:
    """The corp tags that any member of staff gave a person and that stand; those of relations that ended do not."""
    rows = (
        select(FollowTag.tag_id)
        .join(
            Follow,
            and_(
                Follow.corp_id == FollowTag.corp_id,
                Follow.userid == FollowTag.userid,
                Follow.external_userid == FollowTag.external_userid,
            ),
        )
        .where(
            Follow.brand_id == brand_id,
            Follow.person_id.in_(identity.all_ids_of(person_id)),
            Follow.status != "deleted",
        )
    )
    return set(session.scalars(rows))


def corp_tags(brand_id: int, tag_ids: Collection[str] | None = None) -> list[tuple[str, str, str]]:
    """The tags of the brand's library as (tag id, group, name), by group and name; all of them, or these."""
    statement = (
        select(CorpTag.tag_id, CorpTagGroup.name, CorpTag.name)
        .join(CorpTagGroup, and_(CorpTagGroup.corp_id == CorpTag.corp_id, CorpTagGroup.group_id == CorpTag.group_id))
        .where(CorpTag.brand_id == brand_id, CorpTag.deleted_at.is_(None))
    )
    if tag_ids is not None:
        statement = statement.where(CorpTag.tag_id.in_(tag_ids))
    rows = session.execute(statement.order_by(CorpTagGroup.name, CorpTag.sort.desc(), CorpTag.name))
    return [(tag_id, group, name) for tag_id, group, name in rows]
