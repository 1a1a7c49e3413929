"""Reads of channels."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import select

from app.core import crypto
from app.core.db import session
from app.identity import queries as identity

from .models import Follow, Outbound
from .rules import CONTACT_CONTEXT


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
