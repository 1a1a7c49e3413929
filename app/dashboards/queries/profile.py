"""All about one member in a handful of statements: attributes, ids, tags, history, consents, traits, balances.

With the gate (`members.visible`) and the timeline's page these are six statements; a test counts them. Texts, because
they are read on every page about a member and the ORM would take longer to write them than the database to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text

from app.core import clock, crypto
from app.core.db import session
from app.dashboards.rules import mask_name, mask_phone
from app.identity.rules import SEAL_CONTEXT, Identity, shown
from app.members.models import Member
from app.privacy import rules as privacy
from app.segments import queries as segments
from app.segments.queries import HeldTag


@dataclass(frozen=True)
class KnownId:
    """One id of the person: masked, and where and when it was linked. `merged`: it came with a merge."""

    kind: str
    namespace: str
    value: str
    source: str
    at: datetime
    merged: bool


@dataclass(frozen=True)
class Change:
    """A line of the history: who owned the member, which store was home, who follows, by which code they came.

    `kind`: guide, home_store, follow or arrival; `name`: the guide, store or code; `reason`: why, or how it stands.
    """

    kind: str
    at: datetime
    name: str
    reason: str
    said_by: str


@dataclass(frozen=True)
class Traits:
    """What follows from the orders (`segments.models.MemberTrait`); money in fen."""

    orders_count: int
    net_paid_fen: int
    avg_fen: int
    refunds: int
    first_paid_at: datetime | None
    last_paid_at: datetime | None
    last_store: str | None
    favourite_category: str | None
    recency: int | None
    frequency: int | None
    monetary: int | None
    lifecycle: str
    refreshed_at: datetime


@dataclass(frozen=True)
class TierNow:
    """The tier and the next one up."""

    code: str
    name: str
    since: datetime
    next_name: str | None
    next_growth: int | None
    window_days: int


@dataclass(frozen=True)
class Profile:
    """A member from all sides. Money in fen; name and phone are masked. `orders` and `paid_fen` count paid orders as
    they are now, `traits` as they were last made. `consents`: what is allowed, by purpose and channel; `said`: when the
    person last said anything of a purpose.
    """

    member_id: int
    person_id: int
    number: str
    card_no: str | None
    name: str
    phone: str
    gender: int
    birthday: date | None
    status: str
    source: str
    store_name: str
    guide_name: str
    joined_at: datetime
    bound_at: datetime | None
    tier: TierNow | None
    points: int
    growth: int
    coupons: dict[str, int]
    orders: int
    paid_fen: int
    last_order_at: datetime | None
    traits: Traits | None
    identities: tuple[KnownId, ...]
    tags: tuple[HeldTag, ...]
    history: tuple[Change, ...]
    consents: dict[str, dict[str, bool]]
    said: dict[str, datetime]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of ids that are linked."""
        return tuple(sorted({one.kind for one in self.identities}))


# One row whatever is missing: every part is found by the whole key.
_HEAD = text("""
SELECT (SELECT name FROM store WHERE id = :store_id) AS store_name,
  (SELECT name FROM guide WHERE id = :guide_id) AS guide_name,
  (SELECT jsonb_object_agg(currency, amount) FROM balance WHERE brand_id = :brand_id AND member_id = :member_id)
    AS balances,
  (SELECT jsonb_agg(jsonb_build_array(code, name, growth_from, tier_id) ORDER BY rank) FROM tier
    WHERE brand_id = :brand_id) AS ladder,
  (SELECT window_days FROM tier_policy WHERE brand_id = :brand_id) AS window_days,
  held.tier_id, held.valid_from AS tier_since, wallet.*, bought.*, trait.*, last_store.name AS last_store
FROM (SELECT
    count(*) FILTER (WHERE status IN ('claimed', 'returned', 'locked') AND valid_to > :now) AS usable,
    count(*) FILTER (WHERE status = 'redeemed') AS redeemed,
    count(*) FILTER (WHERE status = 'expired'
      OR status IN ('claimed', 'returned', 'locked') AND valid_to <= :now) AS expired
  FROM coupon WHERE brand_id = :brand_id AND member_id = :member_id) AS wallet
CROSS JOIN (SELECT count(*) AS orders, coalesce(sum(paid_fen), 0)::bigint AS paid_fen, max(paid_at) AS last_order_at
  FROM sales_order WHERE brand_id = :brand_id AND member_id = :member_id AND status = 'paid') AS bought
LEFT JOIN (SELECT tier_id, valid_from FROM member_tier
  WHERE brand_id = :brand_id AND member_id = :member_id AND valid_to IS NULL) AS held ON true
LEFT JOIN (SELECT orders_count, net_paid_fen, avg_fen, refunds, first_paid_at, last_paid_at, favourite_category,
    recency, frequency, monetary, lifecycle, refreshed_at, last_store_id FROM member_trait
  WHERE brand_id = :brand_id AND member_id = :member_id) AS trait ON true
LEFT JOIN store AS last_store ON last_store.id = trait.last_store_id
""")

_WITH_PERSONS = (
    "WITH persons AS (SELECT person_id FROM person WHERE person_id = :person_id OR merged_into = :person_id) "
)

# Ids and history have one shape: what, when, its name, where it is from, who said so.
_FACTS = text(
    _WITH_PERSONS
    + """
SELECT 'id' AS what, identity.kind, linked_at AS at, coalesce(sealed_value, value) AS name, namespace AS reason, source
  AS said_by, person_id <> :person_id AS merged
FROM identity WHERE person_id IN (SELECT person_id FROM persons)
UNION ALL
SELECT 'guide', 'guide', from_at, guide.name, reason, '', false
FROM guide_history LEFT JOIN guide ON guide.id = guide_id
WHERE guide_history.brand_id = :brand_id AND member_id = :member_id
UNION ALL
SELECT 'home_store', 'home_store', from_at, store.name, reason, moved_by, false
FROM home_store_history LEFT JOIN store ON store.id = store_id
WHERE home_store_history.brand_id = :brand_id AND member_id = :member_id
UNION ALL
SELECT 'follow', 'follow', added_at, coalesce(guide.name, follow.userid), follow.status, coalesce(state, ''), false
FROM follow LEFT JOIN guide ON guide.id = guide_id
WHERE follow.brand_id = :brand_id AND person_id IN (SELECT person_id FROM persons)
UNION ALL
SELECT 'arrival', 'arrival', arrival.at, channel_code.name, arrival.kind, '', false
FROM arrival LEFT JOIN channel_code ON channel_code.id = code_id
WHERE arrival.brand_id = :brand_id AND person_id IN (SELECT person_id FROM persons)
ORDER BY at DESC
"""
)

# The last word of each person, purpose and channel; and which persons were merged into which since when.
_CONSENTS = text(
    _WITH_PERSONS
    + """
(SELECT DISTINCT ON (purpose, person_id, channel) purpose, person_id, channel, granted, at, NULL::bigint AS winner_id,
  NULL::jsonb AS folded
FROM consent WHERE brand_id = :brand_id AND person_id IN (SELECT person_id FROM persons)
ORDER BY purpose, person_id, channel, at DESC, granted)
UNION ALL
SELECT NULL, loser_id, NULL, NULL, merged_at, winner_id, evidence -> 'folded' FROM person_merge
WHERE revoked_at IS NULL AND winner_id IN (SELECT person_id FROM persons)
"""
)


def of(member: Member) -> Profile:
    """Everything about a living member whom the reader has been found to see, in four statements."""
    asked = {"brand_id": member.brand_id, "member_id": member.member_id, "person_id": member.person_id}
    head = session.execute(
        _HEAD,
        asked | {"now": clock.now(), "store_id": member.home_store_id, "guide_id": member.guide_id},
    ).one()
    identities, history = _facts(asked)
    consents, said = _consents(asked)
    phones = [one.value for one in identities if one.kind == "mobile"]
    return Profile(
        member_id=member.member_id,
        person_id=member.person_id,
        number=member.number,
        card_no=member.card_no,
        name=mask_name(member.plain_name),
        phone=phones[0] if phones else mask_phone(member.phone_tail),
        gender=member.gender,
        birthday=member.birthday,
        status=member.status,
        source=member.source,
        store_name=head.store_name or "",
        guide_name=head.guide_name or "",
        joined_at=member.joined_at,
        bound_at=member.bound_at,
        tier=_tier(head),
        points=(head.balances or {}).get("points", 0),
        growth=(head.balances or {}).get("growth", 0),
        coupons={"usable": head.usable, "redeemed": head.redeemed, "expired": head.expired},
        orders=head.orders,
        paid_fen=head.paid_fen,
        last_order_at=head.last_order_at,
        traits=None
        if head.lifecycle is None
        else Traits(**{name: getattr(head, name) for name in Traits.__dataclass_fields__}),
        identities=identities,
        tags=tuple(segments.tags_of(member.brand_id, member.member_id)),
        history=history,
        consents=consents,
        said=said,
    )


def _tier(head: Any) -> TierNow | None:
    ladder = head.ladder or []
    place = next((n for n, (*_, tier_id) in enumerate(ladder) if tier_id == head.tier_id), None)
    if place is None:
        return None
    code, name, *_ = ladder[place]
    above = ladder[place + 1] if place + 1 < len(ladder) else None
    return TierNow(
        code=code,
        name=name,
        since=head.tier_since,
        next_name=above[1] if above else None,
        next_growth=above[2] if above else None,
        window_days=head.window_days or 365,
    )


def _facts(asked: dict[str, Any]) -> tuple[tuple[KnownId, ...], tuple[Change, ...]]:
    identities, history = [], []
    for row in session.execute(_FACTS, asked):
        if row.what == "id":
            plain = crypto.decrypt(row.name, context=SEAL_CONTEXT) if row.kind == "mobile" else row.name
            masked = shown(Identity(row.kind, row.reason, plain))
            identities.append(KnownId(row.kind, row.reason, masked, row.said_by, row.at, row.merged))
        else:
            history.append(Change(row.kind, row.at, row.name or "", row.reason, row.said_by))
    return tuple(identities), tuple(history)


def _consents(asked: dict[str, Any]) -> tuple[dict[str, dict[str, bool]], dict[str, datetime]]:
    words: dict[str, list[privacy.Said]] = {purpose: [] for purpose in privacy.PURPOSES}
    joined: dict[tuple[int, int], datetime] = {}
    for row in session.execute(_CONSENTS, asked):
        if row.purpose is not None:
            words[row.purpose].append(privacy.Said(row.person_id, row.channel, row.granted, row.at))
            continue
        for one in (row.person_id, *(row.folded or ())):
            joined[one, row.winner_id] = min(row.at, joined.get((one, row.winner_id), row.at))
    state = {purpose: privacy.state(purpose, said, joined) for purpose, said in words.items()}
    return state, {purpose: max(one.at for one in said) for purpose, said in words.items() if said}
