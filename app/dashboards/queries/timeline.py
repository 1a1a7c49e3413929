"""One member's history in time order, gathered from every domain by one statement, a page at a time.

The statement is a text made once: a part for each kind, limited by itself on the index of its table, then merged. It
runs on the hot pool, where it stays prepared (planning it takes longer than running it), so it sees what is committed.
A place in the list is (at, ref, nr): the moment, the row's number and the part, so that no two moments share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from app.core import hot
from app.members.models import Member


class Place(NamedTuple):
    """Where in the list a moment stands."""

    at: datetime
    ref: int
    nr: int


@dataclass(frozen=True)
class Moment:
    """Something that happened to a member: what, when, its facts, and the journey it belongs to."""

    place: Place
    kind: str
    data: dict[str, Any]
    correlation_id: str | None

    @property
    def at(self) -> datetime:
        return self.place.at


class _Part(NamedTuple):
    """A kind of moments: the row and its moment, number and journey, and what is joined for its facts."""

    kind: str
    source: str
    at: str
    ref: str
    facts: str = ""
    joins: str = ""
    cor: str = "one.correlation_id"


def _mine(table: str, more: str = "") -> str:
    return f"{table} WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s{more}"


_PERSONS = "person_id IN (SELECT person_id FROM persons)"
_GUIDE = "LEFT JOIN guide ON guide.id = one.guide_id"
_STORE = "LEFT JOIN store ON store.id = one.store_id"
_STEP = f"{_GUIDE} LEFT JOIN sop_step ON sop_step.brand_id = one.brand_id AND sop_step.step_id = one.step_id"
_CAMPAIGN = "LEFT JOIN campaign ON campaign.brand_id = coupon.brand_id AND campaign.campaign_id = coupon.campaign_id"
_COUPON = (
    "LEFT JOIN coupon ON coupon.brand_id = one.brand_id AND coupon.member_id = one.member_id"
    f" AND coupon.coupon_id = one.coupon_id {_CAMPAIGN}"
)

_PARTS = (
    _Part("joined", _mine("member"), "joined_at", "member_id", "'source', one.source"),
    _Part("bound", _mine("member"), "bound_at", "member_id", cor="NULL"),
    _Part(
        "followed",
        f"follow WHERE brand_id = %(brand_id)s AND {_PERSONS}",
        "added_at",
        "hashtextextended(userid || external_userid, 0)",
        "'guide', guide.name, 'status', one.status",
        _GUIDE,
    ),
    _Part(
        "arrived",
        f"arrival WHERE brand_id = %(brand_id)s AND {_PERSONS}",
        "at",
        "code_id",
        "'code', channel_code.name, 'how', one.kind",
        "LEFT JOIN channel_code ON channel_code.id = one.code_id",
    ),
    _Part(
        "merged",
        "person_merge WHERE winner_id IN (SELECT person_id FROM persons) AND revoked_at IS NULL",
        "merged_at",
        "merge_id",
        "'reason', one.reason",
    ),
    _Part(
        "member_merged",
        "member_merge WHERE brand_id = %(brand_id)s AND winner_id = %(member_id)s AND revoked_at IS NULL",
        "merged_at",
        "merge_id",
        "'number', member.number",
        "LEFT JOIN member ON member.brand_id = one.brand_id AND member.member_id = one.loser_id",
    ),
    _Part(
        "guide_assigned",
        _mine("guide_history"),
        "from_at",
        "guide_id",
        "'guide', guide.name, 'reason', one.reason",
        _GUIDE,
    ),
    _Part(
        "home_moved",
        _mine("home_store_history", " AND reason NOT IN ('joined', 'filled', 'guide_assigned')"),
        "from_at",
        "coalesce(store_id, 0)",
        "'store', store.name, 'reason', one.reason",
        _STORE,
    ),
    _Part(
        "order",
        _mine("sales_order"),
        "paid_at",
        "order_id",
        "'order_no', one.order_no, 'store', store.name, 'paid_fen', one.paid_fen, 'status', one.status",
        _STORE,
    ),
    _Part(
        "refunded",
        _mine("refund"),
        "refunded_at",
        "refund_id",
        "'order_no', sales_order.order_no, 'refunded_fen', one.refunded_fen",
        "LEFT JOIN sales_order ON sales_order.brand_id = one.brand_id AND sales_order.member_id = one.member_id"
        " AND sales_order.order_id = one.order_id",
    ),
    _Part(
        "coupon_issued",
        _mine("coupon"),
        "claimed_at",
        "coupon_id",
        "'campaign', campaign.name, 'source', one.source, 'status', one.status",
        _CAMPAIGN.replace("coupon.", "one."),
    ),
    _Part(
        "coupon_redeemed",
        _mine("redemption"),
        "redeemed_at",
        "redemption_id",
        "'campaign', campaign.name, 'store', store.name, 'order_no', one.order_no, 'discount_fen', one.discount_fen",
        f"{_STORE} {_COUPON}",
    ),
    _Part(
        "coupon_returned",
        _mine("redemption"),
        "returned_at",
        "redemption_id",
        "'campaign', campaign.name, 'order_no', one.order_no",
        _COUPON,
        "NULL",
    ),
    _Part(
        "points",
        # A merge writes the growth it carries over piece by piece, beside the orders that gave it.
        _mine("journal", " AND (kind <> 'merge' OR currency = 'points' AND cause LIKE 'transfer:%%')"),
        "at",
        "journal_id",
        "'currency', one.currency, 'reason', one.kind, 'amount', posting.amount",
        "JOIN LATERAL (SELECT sum(amount) AS amount FROM posting WHERE posting.brand_id = one.brand_id"
        " AND posting.member_id = one.member_id AND posting.journal_id = one.journal_id"
        " AND posting.account = 'member') AS posting ON true",
    ),
    _Part(
        "tier",
        _mine("member_tier"),
        "valid_from",
        "tier_id",
        "'tier', tier.name, 'reason', one.reason",
        "LEFT JOIN tier ON tier.brand_id = one.brand_id AND tier.tier_id = one.tier_id",
    ),
    _Part(
        "tagged",
        _mine("member_tag"),
        "at",
        "tag_id",
        "'tag', tag.name, 'held', one.held, 'source', one.source",
        "JOIN tag ON tag.brand_id = one.brand_id AND tag.tag_id = one.tag_id",
    ),
    _Part(
        "task_created",
        _mine("guide_task"),
        "created_at",
        "task_id",
        "'title', sop_step.title, 'guide', guide.name",
        _STEP,
    ),
    _Part(
        "task_done",
        _mine("guide_task"),
        "done_at",
        "task_id",
        "'title', sop_step.title, 'guide', guide.name",
        _STEP,
        "NULL",
    ),
)


def _statement(*, later_page: bool) -> str:
    parts = []
    for nr, part in enumerate(_PARTS):
        place = f"({part.at}, {part.ref}, {nr})"
        after = f" AND {place} < (%(at)s, CAST(%(ref)s AS bigint), CAST(%(nr)s AS int))" if later_page else ""
        parts.append(
            f"SELECT place_at AS at, place_ref AS ref, {nr} AS nr, jsonb_build_object({part.facts}) AS data,"
            f" {part.cor} AS cor FROM (SELECT *, {part.at} AS place_at, {part.ref} AS place_ref FROM {part.source}"
            f" AND {part.at} IS NOT NULL{after} ORDER BY {part.at} DESC, {part.ref} DESC LIMIT %(limit)s) AS one"
            f" {part.joins}"
        )
    return (
        "WITH persons AS (SELECT person_id FROM person WHERE person_id = %(person_id)s OR merged_into = %(person_id)s) "
        + " UNION ALL ".join(f"({part})" for part in parts)
        + " ORDER BY at DESC, ref DESC, nr DESC LIMIT %(limit)s"
    )


_FIRST, _LATER = _statement(later_page=False), _statement(later_page=True)


def of(member: Member, *, after: Place | None = None, limit: int) -> list[Moment]:
    """The newest moments of a living member, newest first; `after` is the place of the last one seen."""
    asked = {
        "brand_id": member.brand_id,
        "member_id": member.member_id,
        "person_id": member.person_id,
        "limit": limit,
    }
    rows = hot.fetch_all(_FIRST, asked) if after is None else hot.fetch_all(_LATER, asked | after._asdict())
    return [Moment(Place(at, ref, nr), _PARTS[nr].kind, data, cor) for at, ref, nr, data, cor in rows]
