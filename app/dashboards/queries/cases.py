"""Cases of identity for headquarters: who may be whom, with all that speaks for and against it, and merges of the past.

A brand's user sees what concerns their brand: its own members, ids of its own accounts, and the ids that belong to no
brand (phone, unionid). What another brand of the group knows of the same human is not theirs to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select

from app.core import ids
from app.core.db import session
from app.coupons import queries as coupons
from app.dashboards.reach import Reach
from app.dashboards.rules import mask_name, mask_phone
from app.identity import queries as identity
from app.identity.models import IdentityReview, IdentityRow, Person, PersonMerge
from app.identity.rules import Strength, shown, strength
from app.members import queries as members
from app.members.models import Member, MemberMerge, Membership
from app.org.models import Guide, PlatformAccount, Store
from app.points import queries as points
from app.sales.models import SalesOrder

STATUSES = ("open", "merged", "kept_apart")
_COMMON = ("unionid", "mobile")


@dataclass(frozen=True)
class Evidence:
    """One id of a person: how far it is believed, who told it, and when. `shown` is masked."""

    kind: str
    namespace: str
    shown: str
    strength: Strength
    source: str
    linked_at: datetime


@dataclass(frozen=True)
class Side:
    """One of the two persons, as far as the reader sees. Without a membership of the brand, `member_id` is None."""

    person_id: int
    since: datetime
    evidence: tuple[Evidence, ...]
    elsewhere: bool
    member_id: int | None = None
    number: str = ""
    name: str = ""
    phone: str = ""
    card_no: str | None = None
    status: str = ""
    store_name: str = ""
    guide_name: str = ""
    joined_at: datetime | None = None
    points: int = 0
    coupons: int = 0
    orders: int = 0
    paid_fen: int = 0


def reviews(reach: Reach, *, status: str, after: tuple[datetime, int] | None, limit: int) -> list[IdentityReview]:
    """Reviews that concern the brand, newest first; `after` is the last line's (created_at, id)."""
    statement = (
        select(IdentityReview)
        .where(IdentityReview.status == status, _concerns(reach.brand_id))
        .order_by(IdentityReview.id.desc())
        .limit(limit)
    )
    return list(session.scalars(statement if after is None else statement.where(IdentityReview.id < after[1])))


def open_reviews(reach: Reach) -> int:
    """How many wait for a decision."""
    statement = select(func.count()).select_from(IdentityReview)
    return session.scalar(statement.where(IdentityReview.status == "open", _concerns(reach.brand_id))) or 0


def review(reach: Reach, review_id: int) -> IdentityReview | None:
    """The review, if it concerns the brand."""
    return session.scalar(
        select(IdentityReview)
        .where(IdentityReview.id == review_id, _concerns(reach.brand_id))
        .execution_options(populate_existing=True)
    )


def side(reach: Reach, person_id: int) -> Side:
    """A person of a case. `person_id` may have been merged meanwhile; the side is that of the living one."""
    root = identity.resolve(person_id)
    since = session.scalar(select(Person.created_at).where(Person.person_id == root))
    assert since is not None
    theirs = {one.brand_id: one for one in members.memberships(root)}
    elsewhere = bool(theirs.keys() - {reach.brand_id})
    evidence = _evidence(reach.brand_id, identity.all_ids_of(root))
    member = theirs.get(reach.brand_id)
    if member is None:
        return Side(root, since, evidence, elsewhere)
    key = (reach.brand_id, member.member_id)
    store_name, guide_name = _places(member)
    count, paid = session.execute(
        select(func.count(), func.coalesce(func.sum(SalesOrder.paid_fen), 0)).where(
            SalesOrder.brand_id == key[0], SalesOrder.member_id == key[1], SalesOrder.status == "paid"
        )
    ).one()
    return Side(
        root,
        since,
        evidence,
        elsewhere,
        member_id=member.member_id,
        number=member.number,
        name=mask_name(member.plain_name),
        phone=mask_phone(member.phone_tail),
        card_no=member.card_no,
        status=member.status,
        store_name=store_name,
        guide_name=guide_name,
        joined_at=member.joined_at,
        points=points.balances(*key)["points"],
        coupons=coupons.counts(*key)["usable"],
        orders=count,
        paid_fen=paid,
    )


@dataclass(frozen=True)
class MergeLine:
    """One merge that made a person: `loser_number` is the member number that came along, if the brand had one."""

    merge_id: int
    winner_id: int
    loser_id: int
    reason: str
    merged_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    loser_number: str | None


def merges(reach: Reach, person_id: int) -> list[MergeLine]:
    """The merges behind a person, newest first, with what came along in the brand."""
    records = identity.merges_of(person_id)
    wanted = [one.merge_id for one in records]
    rows = session.execute(
        select(MemberMerge.person_merge_id, Member.number)
        .join(Member, and_(Member.brand_id == MemberMerge.brand_id, Member.member_id == MemberMerge.loser_id))
        .where(MemberMerge.brand_id == reach.brand_id, MemberMerge.person_merge_id.in_(wanted))
    )
    numbers = {row.person_merge_id: row.number for row in rows}
    return [
        MergeLine(
            merge_id=one.merge_id,
            winner_id=one.winner_id,
            loser_id=one.loser_id,
            reason=one.reason,
            merged_at=one.merged_at,
            revoked_at=one.revoked_at,
            revoked_by=one.revoked_by,
            loser_number=numbers.get(one.merge_id),
        )
        for one in records
    ]


def merge(reach: Reach, merge_id: int) -> PersonMerge | None:
    """The merge, if a member of the brand is among those it joined."""
    record = identity.merge_record(merge_id)
    if record is None:
        return None
    both = {identity.resolve(record.winner_id), identity.resolve(record.loser_id)}
    mine = any(reach.brand_id in members.member_ids_by_brand(one) for one in both)
    return record if mine else None


def brands_of(person_ids: tuple[int, ...]) -> set[int]:
    """The brands in which any of these persons is a member."""
    return {brand_id for one in person_ids for brand_id in members.member_ids_by_brand(identity.resolve(one))}


def _concerns(brand_id: int) -> ColumnElement[bool]:
    """A review of the brand, or one that names no brand (a split) about somebody who is a member of it."""
    root = func.coalesce(Person.merged_into, Person.person_id)
    about_a_member = (
        select(Membership.member_id)
        .join(Person, root == Membership.person_id)
        .where(
            Membership.brand_id == brand_id,
            Person.person_id.in_([IdentityReview.person_a, IdentityReview.person_b]),
        )
        .exists()
    )
    return or_(IdentityReview.brand_id == brand_id, and_(IdentityReview.brand_id.is_(None), about_a_member))


def _evidence(brand_id: int, person_ids: list[int]) -> tuple[Evidence, ...]:
    accounts = set(session.scalars(select(PlatformAccount.namespace).where(PlatformAccount.brand_id == brand_id)))
    ours = ids.encode("brd", brand_id)
    rows = session.scalars(
        select(IdentityRow)
        .where(
            IdentityRow.person_id.in_(person_ids),
            or_(
                IdentityRow.kind.in_(_COMMON),
                IdentityRow.namespace.in_(sorted(accounts)),
                IdentityRow.namespace.startswith(ours, autoescape=True),
            ),
        )
        .order_by(IdentityRow.linked_at, IdentityRow.kind)
    )
    return tuple(
        Evidence(
            kind=row.kind,
            namespace=row.namespace,
            shown=shown(identity.plain(row)),
            strength=strength(row.kind),
            source=row.source,
            linked_at=row.linked_at,
        )
        for row in rows
    )


def _places(member: Member) -> tuple[str, str]:
    store = session.get(Store, member.home_store_id) if member.home_store_id is not None else None
    guide = session.get(Guide, member.guide_id) if member.guide_id is not None else None
    return (store.name if store else "", guide.name if guide else "")
