"""Asking for channel codes: one, or one for each store or guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.channels.codes import commands
from app.channels.codes.models import ChannelCode
from app.content import queries as content
from app.core.errors import Invalid, NotFound
from app.org import queries as org
from app.org.models import Guide, Store


class TargetInvalid(Invalid):
    code, message = "channel_code_target", "The code's store, guide or members of staff do not fit together."


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is the same for every code asked for at once."""

    kind: str
    name: str
    purpose: str = ""
    skip_verify: bool = True
    tag_ids: tuple[str, ...] = ()
    welcome: str | None = None
    page: str = ""
    valid_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom one code leads to: a store's code, a guide's userid, other userids. Nothing named: the brand itself."""

    store: str | None = None
    guide: str | None = None
    users: tuple[str, ...] = ()
    state: str | None = None


def order(
    *, brand_id: int, wish: Wish, targets: Sequence[Target], store_ids: frozenset[int] | None, created_by: str
) -> list[ChannelCode]:
    """Ask for a code a target. `store_ids` are the stores the asker may act for (None: all, and the brand itself); a
    store or guide outside them is unknown (NotFound).

    Without users a code leads to its guide, or to all guides of its store.
    """
    welcome_id = _material(brand_id, wish.welcome)
    made = []
    for target in targets:
        store, guide = _place(brand_id, target, store_ids)
        users = _users(brand_id, target, store, guide, store_ids) if wish.kind != "miniprogram" else []
        made.append(
            commands.create_code(
                brand_id=brand_id,
                kind=wish.kind,
                name=_named(wish.name, store, guide) if len(targets) > 1 else wish.name,
                purpose=wish.purpose,
                state=target.state,
                store_id=store.id if store else None,
                guide_id=guide.id if guide else None,
                users=users,
                skip_verify=wish.skip_verify,
                tag_ids=wish.tag_ids,
                welcome_material_id=welcome_id,
                page=wish.page,
                valid_until=wish.valid_until,
                created_by=created_by,
            )
        )
    return made


def each(brand_id: int, what: str, store_ids: frozenset[int] | None) -> list[Target]:
    """A target for each open store, or for each guide, that the asker may act for."""
    stores = {
        store.id: store.code
        for store in org.stores(brand_id)
        if store.status == "open" and (store_ids is None or store.id in store_ids)
    }
    if what == "store":
        staffed = {guide.store_id for guide in org.guides(brand_id) if guide.status == "active"}
        return [Target(store=code) for store_id, code in stores.items() if store_id in staffed]
    return [
        Target(store=stores[guide.store_id], guide=guide.userid)
        for guide in org.guides(brand_id)
        if guide.status == "active" and guide.store_id in stores
    ]


def check_users(brand_id: int, users: Sequence[str], store_ids: frozenset[int] | None) -> None:
    """NotFound when the asker names somebody who is no guide of their stores; headquarters may name anybody."""
    if store_ids is None:
        return
    for userid in users:
        named = _guide(brand_id, userid)
        if named is None or named.store_id not in store_ids:
            raise NotFound()


def _material(brand_id: int, code: str | None) -> int | None:
    if code is None:
        return None
    found = next((one.material_id for one in content.materials(brand_id) if one.code == code), None)
    if found is None:
        raise TargetInvalid("There is no such material.", field="welcome")
    return found


def _place(brand_id: int, target: Target, store_ids: frozenset[int] | None) -> tuple[Store | None, Guide | None]:
    store = org.store_by_code(brand_id, target.store) if target.store else None
    guide = _guide(brand_id, target.guide) if target.guide else None
    if (target.store and store is None) or (target.guide and guide is None):
        raise NotFound()
    if store is None and guide is not None:
        store = org.store(brand_id, guide.store_id)
    if store_ids is not None and (store is None or store.id not in store_ids):
        raise NotFound()
    if store is not None and guide is not None and guide.store_id != store.id:
        raise TargetInvalid("The guide works in another store.", field="guide")
    return store, guide


def _users(
    brand_id: int, target: Target, store: Store | None, guide: Guide | None, store_ids: frozenset[int] | None
) -> list[str]:
    if target.users:
        check_users(brand_id, target.users, store_ids)
        return list(target.users)
    if guide is not None:
        return [guide.userid]
    found = [one.userid for one in org.guides_of_store(store.id)] if store is not None else []
    if not found:
        raise TargetInvalid("Nobody works there whom a customer could add.", field="users")
    return found[:100]


def _guide(brand_id: int, userid: str) -> Guide | None:
    account = org.account(brand_id, "wecom")
    found = org.guide_by_userid(account.namespace, userid) if account is not None else None
    return found if found is not None and found.brand_id == brand_id and found.status == "active" else None


def _named(name: str, store: Store | None, guide: Guide | None) -> str:
    """Codes asked for together are told apart by where they lead."""
    return " ".join(part for part in (name, store.name if store else "", guide.name if guide else "") if part)[:60]
