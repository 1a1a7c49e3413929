"""The watch: a worker looks every minute at what was redeemed and claimed since it last looked, rule by rule.

One set-based statement a rule and brand, whatever the rush: a launch with 100,000 claims costs it no more than a quiet
minute does, where a job an event would be 100,000 jobs. What it finds again raises no second flag.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, ids
from app.core.db import session

from . import commands, queries
from .models import Watch
from .rules import AT_ONCE_SECONDS, Rule

# A redemption bears the moment at which its request began, and is seen when that has committed.
OVERLAP = timedelta(minutes=5)
FIRST_LOOK = timedelta(hours=1)
KEPT_IDS = 20
OF_COUPONS = frozenset({"member_claims", "guide_gives", "offline_conflicts"})  # these name coupons, others redemptions


class Found(NamedTuple):
    """A subject within one window: the most that were counted, up to when, and in which store the last was."""

    subject: int
    number: int
    last: datetime
    store_id: int | None
    guide_id: int | None


# `source` yields (subject, at, thing, place, store_id, guide_id) of the brand, between :since - :seconds and :until.
# How many there were in the time before each row is a window function: linear, also for a store's thousands.
_COUNTED = """
WITH seen AS ({source}), counted AS (
  SELECT seen.*, count(*) OVER (
    PARTITION BY subject ORDER BY at RANGE BETWEEN make_interval(secs => :seconds) PRECEDING AND CURRENT ROW
  ) AS n FROM seen
)
"""
# Different places cannot be counted in a moving window, so each row looks back itself; members have few.
_APART = """
WITH seen AS ({source}), counted AS (
  SELECT s.*, (SELECT count(DISTINCT o.place) FROM seen o
               WHERE o.subject = s.subject AND o.at <= s.at
                 AND o.at > s.at - make_interval(secs => :seconds)) AS n
  FROM seen s WHERE s.at > :since
)
"""
_FLAGGED = """
SELECT subject, max(n) AS number, max(at) AS last,
       (array_agg(store_id ORDER BY at DESC))[1] AS store_id, max(guide_id) AS guide_id
FROM counted WHERE at > :since AND n >= :threshold
GROUP BY subject, floor(extract(epoch FROM at) / :seconds)
"""
_DETAIL = """
SELECT thing, at, store_id FROM ({source}) seen WHERE subject = :subject ORDER BY at DESC, thing DESC LIMIT :kept
"""

_SPAN = (
    "brand_id = :brand_id AND {at} > CAST(:since AS timestamptz) - make_interval(secs => :seconds) AND {at} <= :until"
)
# Only of members who used a coupon just now: the look back over a day is then by their keys.
_RECENT = """r.member_id IN (SELECT member_id FROM redemption
    WHERE brand_id = :brand_id AND redeemed_at > :since AND redeemed_at <= :until)"""
_REDEEMED = f"r.{_SPAN.format(at='r.redeemed_at')}"
_ROWS = "r.redeemed_at AS at, r.redemption_id AS thing, r.store_id, CAST(NULL AS bigint) AS guide_id"
_COUPON = "JOIN coupon c ON c.brand_id = r.brand_id AND c.member_id = r.member_id AND c.coupon_id = r.coupon_id"
_STORE = "JOIN store s ON s.id = r.store_id"

SOURCES: dict[str, str] = {
    "member_redeems": f"""
        SELECT r.member_id AS subject, {_ROWS} FROM redemption r WHERE {_REDEEMED} AND {_RECENT}
    """,
    "member_claims": f"""
        SELECT c.member_id AS subject, c.claimed_at AS at, c.coupon_id AS thing, CAST(NULL AS bigint) AS store_id,
               CAST(NULL AS bigint) AS guide_id
        FROM coupon c WHERE c.{_SPAN.format(at="c.claimed_at")} AND c.source = 'self'
    """,
    "store_redeems": f"SELECT r.store_id AS subject, {_ROWS} FROM redemption r WHERE {_REDEEMED}",
    "till_redeems": f"""
        SELECT r.api_client_id AS subject, {_ROWS} FROM redemption r
        WHERE {_REDEEMED} AND r.api_client_id IS NOT NULL
    """,
    "desk_redeems": f"""
        SELECT d.admin_id AS subject, {_ROWS} FROM redemption r
        JOIN desk_slip d ON d.brand_id = r.brand_id AND d.store_id = r.store_id AND d.correlation_id = r.correlation_id
        WHERE {_REDEEMED} AND r.source = 'desk'
    """,
    "offline_conflicts": f"""
        SELECT o.store_id AS subject, o.received_at AS at, o.coupon_id AS thing, o.store_id,
               CAST(NULL AS bigint) AS guide_id
        FROM offline_receipt o
        WHERE o.{_SPAN.format(at="o.received_at")} AND o.outcome IN ('conflict', 'over')
          AND o.store_id IN (SELECT id FROM store WHERE brand_id = :brand_id)
    """,
    "guide_gives": f"""
        SELECT c.guide_id AS subject, c.claimed_at AS at, c.coupon_id AS thing, g.store_id, c.guide_id
        FROM coupon c JOIN guide g ON g.id = c.guide_id
        WHERE c.{_SPAN.format(at="c.claimed_at")} AND c.source IN ('guide', 'push')
    """,
    "guide_own_store": f"""
        SELECT c.guide_id AS subject, r.redeemed_at AS at, r.redemption_id AS thing, r.store_id, c.guide_id
        FROM redemption r {_COUPON} JOIN guide g ON g.id = c.guide_id AND g.store_id = r.store_id
        WHERE {_REDEEMED} AND r.redeemed_at < c.claimed_at + make_interval(secs => {AT_ONCE_SECONDS})
    """,
    "stores_apart": f"""
        SELECT r.member_id AS subject, r.store_id AS place, {_ROWS} FROM redemption r
        WHERE {_REDEEMED} AND {_RECENT}
    """,
    "regions_apart": f"""
        SELECT r.member_id AS subject, s.region_id AS place, {_ROWS} FROM redemption r {_STORE}
        WHERE {_REDEEMED} AND {_RECENT}
    """,
    # A member is a guide by a number of the brand's staff that is the guide's userid, or by the guide's own phone.
    "staff_redeems": f"""
        SELECT r.member_id AS subject, r.redeemed_at AS at, r.redemption_id AS thing, r.store_id, who.guide_id
        FROM redemption r
        JOIN member m ON m.brand_id = r.brand_id AND m.member_id = r.member_id
        JOIN LATERAL (
          SELECT g.id AS guide_id
          FROM person p JOIN identity i ON i.person_id = p.person_id
          JOIN guide g ON g.brand_id = r.brand_id
            AND (i.kind = 'staff' AND split_part(i.namespace, ':', 1) = :brand AND g.userid = i.value
                 OR i.kind = 'mobile' AND g.id = (SELECT o.guide_id FROM guide_phone o
                                                  WHERE o.brand_id = r.brand_id AND o.phone_index = i.value))
          WHERE (p.person_id = m.person_id OR p.merged_into = m.person_id) AND i.kind IN ('staff', 'mobile')
            AND g.status = 'active'
          LIMIT 1
        ) who ON true
        WHERE {_REDEEMED} AND {_RECENT}
    """,
}

# By store, as the receipts' index is.
_TAKEN_OFFLINE = text("""
SELECT min(taken_at) FROM offline_receipt
WHERE brand_id = :brand_id AND store_id IN (SELECT id FROM store WHERE brand_id = :brand_id)
  AND received_at > :since AND redemption_id IS NOT NULL
""")


def look(brand_id: int) -> int:
    """Look at a brand's coupons since the last time and raise flags; returns how many subjects were found.

    In the open transaction; a second worker waits for the first and then finds little left to look at.
    """
    now = clock.now()
    since = _begin(brand_id, now) - OVERLAP
    # A till that was offline tells of redemptions that are days old: then it is looked as far back.
    offline = session.scalar(_TAKEN_OFFLINE, {"brand_id": brand_id, "since": since})
    since = min(since, offline - timedelta(microseconds=1)) if offline else since
    found = 0
    for kind, rule in queries.rules(brand_id).items():
        if rule.active:
            found += _apply(brand_id, kind, rule, since, now)
    session.execute(
        text("UPDATE coupon_watch SET looked_to = :now WHERE brand_id = :brand_id AND looked_to < :now"),
        {"brand_id": brand_id, "now": now},
    )
    return found


def _begin(brand_id: int, now: datetime) -> datetime:
    """Up to when the brand was looked at, its row held until the transaction ends."""
    first = insert(Watch).values(brand_id=brand_id, looked_to=now - FIRST_LOOK)
    session.execute(first.on_conflict_do_nothing(index_elements=["brand_id"]))
    moment: datetime = session.execute(
        text("SELECT looked_to FROM coupon_watch WHERE brand_id = :brand_id FOR UPDATE"), {"brand_id": brand_id}
    ).scalar_one()
    return moment


def _apply(brand_id: int, kind: str, rule: Rule, since: datetime, until: datetime) -> int:
    counting = _APART if kind.endswith("_apart") else _COUNTED
    values = {
        **_of(brand_id),
        "since": since,
        "until": until,
        "seconds": rule.seconds,
        "threshold": rule.threshold,
    }
    statement = text(counting.format(source=SOURCES[kind]) + _FLAGGED)
    rows = [Found._make(row) for row in session.execute(statement, values)]
    for one in rows:
        _raise(brand_id, kind, rule, one)
    return len(rows)


def _raise(brand_id: int, kind: str, rule: Rule, one: Found) -> None:
    subject = {rule.subject: one.subject}
    guide_id = subject.get("guide", one.guide_id)
    evidence = {
        "things": _things(brand_id, kind, rule, one),
        "last_at": one.last.isoformat(),
        "threshold": rule.threshold,
        "window_seconds": rule.seconds,
    }
    commands.flag(
        brand_id=brand_id,
        rule=kind,
        subject=f"{rule.subject}:{one.subject}",
        window_from=window_from(one.last, rule.seconds),
        count=one.number,
        evidence=evidence,
        member_id=subject.get("member"),
        store_id=subject.get("store", one.store_id),
        guide_id=guide_id,
    )


def _things(brand_id: int, kind: str, rule: Rule, one: Found) -> list[dict[str, Any]]:
    """The newest of what was counted: public id, moment and store of each."""
    prefix = "cpn" if kind in OF_COUPONS else "rdm"
    values = {
        **_of(brand_id),
        "since": one.last - timedelta(microseconds=1),  # the source reads the time before it by itself
        "until": one.last,
        "seconds": rule.seconds,
        "subject": one.subject,
        "kept": KEPT_IDS,
    }
    return [
        {
            "id": ids.encode(prefix, thing),
            "at": at.isoformat(),
            "store": None if store_id is None else ids.encode("sto", store_id),
        }
        for thing, at, store_id in session.execute(text(_DETAIL.format(source=SOURCES[kind])), values)
    ]


def _of(brand_id: int) -> dict[str, Any]:
    """The brand as rows name it, and as namespaces do."""
    return {"brand_id": brand_id, "brand": ids.encode("brd", brand_id)}


def window_from(at: datetime, seconds: int) -> datetime:
    """The beginning of the window of a length that a moment lies in; windows stand side by side since 1970."""
    moment = int(at.timestamp())
    return datetime.fromtimestamp(moment - moment % seconds, tz=UTC)
