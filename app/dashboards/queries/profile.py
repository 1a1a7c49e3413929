"""All about one member in a handful of statements: attributes, ids, tags, history, consents, traits, balances.

With the gate (`members.visible`) and the timeline's page these are six statements; a test counts them. They run on the
hot pool, where they stay prepared, so they see what is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core import clock, crypto, hot, ids
from app.dashboards.rules import mask_name, mask_phone
from app.identity.rules import SEAL_CONTEXT, Identity, shown
from app.members.models import Member
from app.privacy import rules as privacy
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
_HEAD = """
SELECT (SELECT name FROM store WHERE id = %(store_id)s),
  (SELECT name FROM guide WHERE id = %(guide_id)s),
  (SELECT jsonb_object_agg(currency, amount) FROM balance WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s),
  (SELECT jsonb_agg(jsonb_build_array(code, name, growth_from, tier_id) ORDER BY rank) FROM tier
    WHERE brand_id = %(brand_id)s),
  (SELECT window_days FROM tier_policy WHERE brand_id = %(brand_id)s),
  held.tier_id, held.valid_from, usable, redeemed, expired, orders, bought.paid_fen, last_order_at,
  orders_count, net_paid_fen, avg_fen, refunds, first_paid_at, last_paid_at, last_store.name, favourite_category,
  recency, frequency, monetary, lifecycle, refreshed_at
FROM (SELECT
    count(*) FILTER (WHERE status IN ('claimed', 'returned', 'locked') AND valid_to > %(now)s) AS usable,
    count(*) FILTER (WHERE status = 'redeemed') AS redeemed,
    count(*) FILTER (WHERE status = 'expired'
      OR status IN ('claimed', 'returned', 'locked') AND valid_to <= %(now)s) AS expired
  FROM coupon WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s) AS wallet
CROSS JOIN (SELECT count(*) AS orders, coalesce(sum(paid_fen), 0)::bigint AS paid_fen, max(paid_at) AS last_order_at
  FROM sales_order WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s AND status = 'paid') AS bought
LEFT JOIN (SELECT tier_id, valid_from FROM member_tier
  WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s AND valid_to IS NULL) AS held ON true
LEFT JOIN (SELECT * FROM member_trait
  WHERE brand_id = %(brand_id)s AND member_id = %(member_id)s) AS trait ON true
LEFT JOIN store AS last_store ON last_store.id = trait.last_store_id
"""

_WITH_PERSONS = (
    "WITH persons AS (SELECT person_id FROM person WHERE person_id = %(person_id)s OR merged_into = %(person_id)s) "
)

# Ids and history have one shape: what, when, its name, where it is from, who said so. Of the ids only those of the
# brand's own accounts, tills and imports, and those of no brand: what another brand knows is not ours to tell.
_FACTS = (
    _WITH_PERSONS
    + """
SELECT 'id' AS what, identity.kind, linked_at AS at, coalesce(sealed_value, value) AS name, namespace AS reason, source
  AS said_by, person_id <> %(person_id)s AS merged
FROM identity WHERE person_id IN (SELECT person_id FROM persons) AND (kind IN ('unionid', 'mobile')
  OR starts_with(namespace, %(brand)s)
  OR namespace IN (SELECT namespace FROM platform_account WHERE brand_id = %(brand_id)s))
UNION ALL
SELECT 'guide', 'guide', from_at, guide.name, reason, '', false
FROM guide_history LEFT JOIN guide ON guide.id = guide_id
WHERE guide_history.brand_id = %(brand_id)s AND member_id = %(member_id)s
UNION ALL
SELECT 'home_store', 'home_store', from_at, store.name, reason, moved_by, false
FROM home_store_history LEFT JOIN store ON store.id = store_id
WHERE home_store_history.brand_id = %(brand_id)s AND member_id = %(member_id)s
UNION ALL
SELECT 'follow', 'follow', added_at, coalesce(guide.name, follow.userid), follow.status, coalesce(state, ''), false
FROM follow LEFT JOIN guide ON guide.id = guide_id
WHERE follow.brand_id = %(brand_id)s AND person_id IN (SELECT person_id FROM persons)
UNION ALL
SELECT 'arrival', 'arrival', arrival.at, channel_code.name, arrival.kind, '', false
FROM arrival LEFT JOIN channel_code ON channel_code.id = code_id
WHERE arrival.brand_id = %(brand_id)s AND person_id IN (SELECT person_id FROM persons)
ORDER BY at DESC
"""
)

_TAGS = """
SELECT tag.tag_id, group_name, name, kind, source, said_by, member_tag.at
FROM member_tag JOIN tag ON tag.brand_id = member_tag.brand_id AND tag.tag_id = member_tag.tag_id
WHERE member_tag.brand_id = %(brand_id)s AND member_id = %(member_id)s AND held AND retired_at IS NULL
ORDER BY member_tag.at, tag.tag_id
"""

# The last word of each person, purpose and channel; and which persons were merged into which since when.
_CONSENTS = (
    _WITH_PERSONS
    + """
(SELECT DISTINCT ON (purpose, person_id, channel) purpose, person_id, channel, granted, at, NULL::bigint AS winner_id,
  NULL::jsonb AS folded
FROM consent WHERE brand_id = %(brand_id)s AND person_id IN (SELECT person_id FROM persons)
ORDER BY purpose, person_id, channel, at DESC, granted)
UNION ALL
SELECT NULL, loser_id, NULL, NULL, merged_at, winner_id, evidence -> 'folded' FROM person_merge
WHERE revoked_at IS NULL AND winner_id IN (SELECT person_id FROM persons)
"""
)


def of(member: Member) -> Profile:
    """Everything about a living member whom the reader has been found to see, in four statements on the hot pool."""
    asked = {
        "brand_id": member.brand_id,
        "member_id": member.member_id,
        "person_id": member.person_id,
        "brand": ids.encode("brd", member.brand_id),
    }
    with hot.held():
        head = hot.fetch_one(
            _HEAD,
            asked | {"now": clock.now(), "store_id": member.home_store_id, "guide_id": member.guide_id},
        )
        assert head is not None
        identities, history = _facts(asked)
        consents, said = _consents(asked)
        tags = tuple(HeldTag(*row) for row in hot.fetch_all(_TAGS, asked))
    store_name, guide_name, balances, ladder, window_days, tier_id, since, *rest = head
    usable, redeemed, expired, orders, paid_fen, last_order_at, *traits = rest
    phones = [one.value for one in identities if one.kind == "mobile"]
    return Profile(
        member_id=member.member_id,
        person_id=member.person_id,
        number=member.number,
        card_no=member.card_no,
        name=mask_name(member.plain_name),
        phone=phones[0] if phones else mask_phone(member.phone_tail),
        gender=member.gender,
        status=member.status,
        source=member.source,
        store_name=store_name or "",
        guide_name=guide_name or "",
        joined_at=member.joined_at,
        bound_at=member.bound_at,
        tier=_tier(ladder or [], tier_id, since, window_days),
        points=(balances or {}).get("points", 0),
        growth=(balances or {}).get("growth", 0),
        coupons={"usable": usable, "redeemed": redeemed, "expired": expired},
        orders=orders,
        paid_fen=paid_fen,
        last_order_at=last_order_at,
        traits=Traits(*traits) if traits[0] is not None else None,
        identities=identities,
        tags=tags,
        history=history,
        consents=consents,
        said=said,
    )


def _tier(ladder: list[Any], tier_id: int | None, since: datetime, window_days: int | None) -> TierNow | None:
    place = next((n for n, step in enumerate(ladder) if step[3] == tier_id), None)
    if place is None:
        return None
    above = ladder[place + 1] if place + 1 < len(ladder) else None
    return TierNow(
        code=ladder[place][0],
        name=ladder[place][1],
        since=since,
        next_name=above[1] if above else None,
        next_growth=above[2] if above else None,
        window_days=window_days or 365,
    )


def _facts(asked: dict[str, Any]) -> tuple[tuple[KnownId, ...], tuple[Change, ...]]:
    identities, history = [], []
    for what, kind, at, name, reason, said_by, merged in hot.fetch_all(_FACTS, asked):
        if what == "id":
            plain = crypto.decrypt(name, context=SEAL_CONTEXT) if kind == "mobile" else name
            identities.append(KnownId(kind, reason, shown(Identity(kind, reason, plain)), said_by, at, merged))
        else:
            history.append(Change(kind, at, name or "", reason, said_by))
    return tuple(identities), tuple(history)


def _consents(asked: dict[str, Any]) -> tuple[dict[str, dict[str, bool]], dict[str, datetime]]:
    words: dict[str, list[privacy.Said]] = {purpose: [] for purpose in privacy.PURPOSES}
    joined: dict[tuple[int, int], datetime] = {}
    for purpose, person_id, channel, granted, at, winner_id, folded in hot.fetch_all(_CONSENTS, asked):
        if purpose is not None:
            words[purpose].append(privacy.Said(person_id, channel, granted, at))
            continue
        for one in (person_id, *(folded or ())):
            joined[one, winner_id] = min(at, joined.get((one, winner_id), at))
    state = {purpose: privacy.state(purpose, said, joined) for purpose, said in words.items()}
    return state, {purpose: max(one.at for one in said) for purpose, said in words.items() if said}
