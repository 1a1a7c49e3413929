"""Somebody is forgotten: in one brand, or as a person in all of them.

What names them goes, what the books need stays and names nobody: orders, a balanced ledger, used coupons, and that
they once agreed to something. Every id leaves a tombstone, so that a late callback, a synchronisation or an import
brings nobody back; they themselves may come back at any time, and begin anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from app.channels import erase as channels
from app.core import audit, clock, crypto, ids, outbox, scrub
from app.core.db import session
from app.core.errors import NotFound
from app.core.slots import Slot
from app.coupons import commands as coupons
from app.coupons import erase as coupon_gifts
from app.coupons import referrals
from app.coupons.fraud import commands as fraud
from app.coupons.twins import erase as coupon_twins
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.members import erase as members
from app.members import queries as member_queries
from app.members.family import family
from app.org import queries as org
from app.points import erase as points
from app.privacy import commands as privacy
from app.privacy.events import Erased, ErasureDue, SweepDue
from app.privacy.models import Erasure
from app.privacy.rules import MARKETING, SWEEP_CONTEXT
from app.sales import erase as sales
from app.segments import erase as segments
from app.sop import erase as sop
from app.tiers import erase as tiers

from .sync import conversions

DUE_AT_ONCE = 50
ACCOUNTS = {
    "wecom": ("external_userid", "pending"),
    "miniprogram": ("openid",),
    "official": ("openid",),
}
OF_NO_BRAND = ("unionid", "mobile")
OF_A_BRAND = ("card", "mall", "import", "staff")
CONTACTS = ("external_userid", "pending")
# What tills and malls are answered with, by the answer's field.
ANSWERED = {"card_no": "card", "account": "mall"}
SWEPT = ("external_userid", "pending", "openid", "unionid")


@dataclass(frozen=True)
class Outcome:
    """`whole`: the person is gone from every brand; else they live on in others. `member_ids`: who is erased here."""

    request_id: int
    person_id: int
    member_ids: tuple[int, ...]
    whole: bool


def erase(
    *, brand_id: int, actor: str, reason: str, person_id: int | None = None, member_id: int | None = None
) -> Outcome:
    """Forget a member of a brand (`member_id`), or a person in every brand of the group (`person_id`).

    A member whom no other brand knows goes as a whole person. `brand_id` is where it was asked for; any id that ever
    meant them will do. Raises NotFound, and PersonErased when there is nobody left.
    """
    whole = member_id is None
    if member_id is not None:
        member = member_queries.living(brand_id, member_id)
        if member is None or member.status == "erased":
            raise NotFound()
        person_id = member.person_id
    assert person_id is not None
    living = identity.hold(person_id)
    whole = whole or not _known_elsewhere(brand_id, living)
    homes = {
        one.brand_id: one.member_id for one in member_queries.memberships(living) if whole or one.brand_id == brand_id
    }
    gone = identity.erase(person_id=living, scope=None if whole else scope_of(brand_id, living))
    removed: dict[str, int] = {"ids": len(gone.ids)}
    mine: tuple[int, ...] = ()
    for one in [row.id for row in org.brands()] if whole else [brand_id]:
        families = family(one, homes[one]).homes if one in homes else ()
        mine = families if one == brand_id else mine
        for name, count in _forget(one, families, gone).items():
            removed[name] = removed.get(name, 0) + count
    if not whole:
        privacy.bury_membership(brand_id=brand_id, person_ids=gone.person_ids)
    request_id = privacy.close_erasure(
        brand_id=brand_id,
        person_ids=gone.person_ids,
        member_id=homes.get(brand_id),
        whole=whole,
        actor=actor,
        reason=reason,
        removed=removed,
        sweep={
            "values": sorted({one.value for one in gone.ids if one.kind in SWEPT}),
            **{name: sorted({one.value for one in gone.ids if one.kind == kind}) for name, kind in ANSWERED.items()},
        },
    )
    subject = ids.encode("mbr", homes[brand_id]) if brand_id in homes else ids.encode("prs", living)
    audit.record(actor=actor, action="privacy.erased", subject=subject, whole=whole, removed=removed)
    return Outcome(request_id, living, tuple(mine), whole)


def confirm(*, brand_id: int, person_id: int) -> Erasure:
    """A shopper confirms: marketing ends now, the erasure comes when the days of grace are over."""
    row = privacy.confirm_erasure(brand_id=brand_id, person_id=person_id)
    privacy.record(
        brand_id=brand_id,
        person_id=person_id,
        purpose=MARKETING,
        granted=False,
        source="miniapp",
        ref=f"erasure:{row.request_id}",
        evidence={"request": ids.encode("ers", row.request_id)},
    )
    return row


def find_due(slot: Slot) -> None:
    """Slot privacy.erase_due: each request whose days of grace are over is carried out in a transaction of its own."""
    privacy.announce_due(limit=DUE_AT_ONCE)


def carry_out(event: ErasureDue) -> None:
    """Erase what was asked for, unless it was cancelled or done meanwhile."""
    assert event.person_id is not None
    row = session.get(
        Erasure, (event.brand_id, event.person_id, event.request_id), with_for_update=True, populate_existing=True
    )
    if row is None or row.status != "confirmed" or row.due_at is None or row.due_at > clock.now():
        return
    if identity_queries.is_erased(identity_queries.resolve(row.person_id)):
        row.status, row.done_at = "done", clock.now()
        return
    member = member_queries.living(row.brand_id, row.member_id) if row.member_id is not None else None
    if member is not None and member.status != "erased":
        erase(brand_id=row.brand_id, member_id=member.member_id, actor=row.actor, reason=row.reason)
    else:
        erase(brand_id=row.brand_id, person_id=row.person_id, actor=row.actor, reason=row.reason)


def erase_late(event: Erased) -> None:
    """Take what was being written to a member while they were erased: the write saw them living and came too late."""
    if event.member_id is None:
        return
    homes = family(event.brand_id, event.member_id).homes
    members.erase(brand_id=event.brand_id, member_ids=homes)
    _forget_wallet(event.brand_id, homes)


def sweep(event: SweepDue) -> None:
    """Blank old messages and events that name an erased person, chunk by chunk; at the end the ids themselves are
    forgotten."""
    assert event.person_id is not None
    row = session.get(
        Erasure, (event.brand_id, event.person_id, event.request_id), with_for_update=True, populate_existing=True
    )
    if row is None or row.sealed is None:
        return
    wanted = json.loads(crypto.decrypt(row.sealed, context=SWEEP_CONTEXT))
    who = {"brand_id": event.brand_id, "person_id": event.person_id, "request_id": event.request_id}
    walk = scrub.messages if event.part == "messages" else scrub.nameless
    _, following = walk(wanted["values"], after=event.after)
    if following is not None:
        outbox.emit(SweepDue(**who, after=following, part=event.part))
    elif event.part == "messages":
        outbox.emit(SweepDue(**who, part="events"))
    else:
        for name in ANSWERED:
            scrub.answers(name, wanted[name])
        row.sealed = None


def _forget(brand_id: int, member_ids: Sequence[int], gone: identity.Forgotten) -> dict[str, int]:
    """Everything one brand holds of a person, and of the member they are there (with those merged into it)."""
    channels.erase(
        brand_id=brand_id,
        person_ids=gone.person_ids,
        contacts=[one.value for one in gone.ids if one.kind in CONTACTS],
        openids=[one.value for one in gone.ids if one.kind == "openid"],
    )
    conversions.forget(
        person_ids=gone.person_ids,
        external_userids=[one.value for one in gone.ids if one.kind == "external_userid"],
    )
    referrals.erase(brand_id=brand_id, member_ids=member_ids, person_ids=gone.person_ids)
    counted = {"events": scrub.events(brand_id=brand_id, member_ids=member_ids, person_ids=gone.person_ids)}
    if member_ids:
        members.erase(brand_id=brand_id, member_ids=member_ids)
        counted |= _forget_wallet(brand_id, member_ids)
        privacy.forget_member(brand_id=brand_id, member_ids=member_ids)
    return counted


def _forget_wallet(brand_id: int, member_ids: Sequence[int]) -> dict[str, int]:
    """What hangs on a member whose row is locked; doing it again takes what came since."""
    counted = {
        "coupons": coupons.void_all(brand_id=brand_id, member_ids=member_ids, cause="erased"),
        "twins": coupon_twins.erase(brand_id=brand_id, member_ids=member_ids),
        "points": points.write_off(brand_id=brand_id, member_ids=member_ids, at=clock.now()),
    }
    tiers.erase(brand_id=brand_id, member_ids=member_ids, at=clock.now())
    coupon_gifts.erase(brand_id=brand_id, member_ids=member_ids)
    fraud.forget(brand_id=brand_id, member_ids=member_ids)
    sales.erase(brand_id=brand_id, member_ids=member_ids)
    segments.erase(brand_id=brand_id, member_ids=member_ids)
    sop.erase(brand_id=brand_id, member_ids=member_ids)
    return counted


def _known_elsewhere(brand_id: int, person_id: int) -> bool:
    """Whether another brand has the person as a member, or knows an id of theirs."""
    if any(one.brand_id != brand_id for one in member_queries.memberships(person_id)):
        return True
    own = set(scope_of(brand_id, person_id))
    return any(
        (one.kind, one.namespace) not in own and one.kind not in OF_NO_BRAND
        for one in identity_queries.identities_of(person_id)
    )


def scope_of(brand_id: int, person_id: int) -> list[tuple[str, str]]:
    """Kind and namespace of the person's ids that belong to one brand: its accounts, its tills, its imports."""
    mine = [
        (kind, account.namespace)
        for platform, kinds in ACCOUNTS.items()
        for account in [org.account(brand_id, platform)]
        if account is not None
        for kind in kinds
    ]
    brand = ids.encode("brd", brand_id)
    return [
        *mine,
        *sorted(
            {
                (one.kind, one.namespace)
                for one in identity_queries.identities_of(person_id)
                if one.kind in OF_A_BRAND and one.namespace.startswith(brand)
            }
        ),
    ]
