"""What is kept no longer than it serves: each night, one bounded chunk of each kind and brand at a time.

Days are a brand's own where it set them (retention_policy), else the kind's default. Tombstones of erased people,
consents, the ledger and the audit log are never touched: they are what proves that the rest was right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, select, text
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, scrub
from app.core.db import session
from app.core.errors import Invalid
from app.core.ids import first_of
from app.core.slots import Slot
from app.org import queries as org
from app.privacy.models import RetentionPolicy

CHUNK = 5000
FORGOTTEN = '{"forgotten": true}'
MOST_DAYS = 3650


class RetentionInvalid(Invalid):
    code, message = "retention_invalid", f"Name a kind of rows and 1 to {MOST_DAYS} days."


@dataclass(frozen=True)
class Kind:
    """Rows of one kind: `table` and its `key`, which rows of a brand are over (`where`), and what becomes of them.

    `change` None: deleted. In `where`, `:before` is the moment, `:first_id` the first id made after it.
    """

    days: int
    table: str
    key: tuple[str, ...]
    where: str
    change: str | None = None


_MESSAGE = "id < :first_id AND status = 'done' AND NOT payload ? 'forgotten'"
_OF_BRAND = "split_part(source, ':', 2) IN (SELECT namespace FROM platform_account WHERE brand_id = :brand_id)"
_NAMED = " OR ".join(f"coalesce(payload ->> '{key}', '{scrub.GONE}') <> '{scrub.GONE}'" for key in scrub.PERSONAL)
_BLANKED = " || ".join(
    f"CASE WHEN payload ? '{key}' AND payload ->> '{key}' IS NOT NULL"
    f" THEN jsonb_build_object('{key}', '{scrub.GONE}') ELSE '{{}}' END"
    for key in scrub.PERSONAL
)

KINDS: Mapping[str, Kind] = {
    "inbox_payload": Kind(
        30,
        "inbox",
        ("id",),
        f"{_MESSAGE} AND {_OF_BRAND}",
        f"payload = '{FORGOTTEN}'",
    ),
    # The deployment's account at WeChat Pay is of no brand.
    "pay_notice": Kind(
        30, "inbox", ("id",), f"{_MESSAGE} AND source LIKE 'wxpay:%'", f"payload = '{FORGOTTEN}'"
    ),
    "outbox_payload": Kind(
        90,
        "outbox",
        ("id",),
        f"id < :first_id AND fanned_out_at IS NOT NULL AND brand_id = :brand_id AND ({_NAMED})",
        f"payload = payload || {_BLANKED}",
    ),
    "reveal": Kind(365, "reveal", ("brand_id", "member_id", "reveal_id"), "brand_id = :brand_id AND at < :before"),
    "reveal_quota": Kind(
        400, "reveal_quota", ("brand_id", "actor", "day"), "brand_id = :brand_id AND day < CAST(:before AS date)"
    ),
    "data_export": Kind(
        1,
        "data_export",
        ("brand_id", "member_id", "export_id"),
        "brand_id = :brand_id AND status = 'ready' AND expires_at < :now",
        "status = 'expired', content = NULL",
    ),
    "erasure_wish": Kind(
        30,
        "erasure",
        ("brand_id", "person_id", "request_id"),
        "brand_id = :brand_id AND status = 'asked' AND asked_at < :before",
        "status = 'cancelled', reason = ''",
    ),
    "import_error": Kind(
        90,
        "import_error",
        ("job_id", "row_no", "code", "field"),
        "job_id IN (SELECT job_id FROM import_job WHERE brand_id = :brand_id AND finished_at < :before)",
    ),
    "import_chunk": Kind(
        7,
        "import_chunk",
        ("job_id", "after"),
        "job_id IN (SELECT job_id FROM import_job WHERE brand_id = :brand_id"
        " AND status IN ('done', 'failed', 'cancelled') AND finished_at < :before)",
    ),
    "segment_snapshot": Kind(
        180,
        "segment_snapshot",
        ("brand_id", "member_id", "segment_id", "taken_at"),
        "brand_id = :brand_id AND taken_at < :before AND NOT EXISTS (SELECT FROM sop_run r WHERE r.status = 'running'"
        " AND r.brand_id = segment_snapshot.brand_id AND r.segment_id = segment_snapshot.segment_id"
        " AND r.as_of = segment_snapshot.taken_at) AND NOT EXISTS (SELECT FROM coupon_push p"
        " WHERE p.status <> 'done' AND p.brand_id = segment_snapshot.brand_id"
        " AND p.segment_id = segment_snapshot.segment_id AND p.as_of = segment_snapshot.taken_at)",
    ),
    # Who opened an invitation and never joined.
    "invitation": Kind(
        90,
        "referral",
        ("brand_id", "person_id"),
        "brand_id = :brand_id AND member_id IS NULL AND invited_at < :before",
    ),
    # Sessions of the sidebar, the console and the mini-program are tokens; what is kept of them is that they ended.
    "session": Kind(1, "revoked_token", ("jti",), "expires_at < :before"),
}
_OF_NO_BRAND = frozenset({"pay_notice", "session"})


@dataclass(frozen=True)
class Over:
    """How many rows of a kind and brand are over; `brand_id` None: they are of no brand."""

    kind: str
    brand_id: int | None
    days: int
    rows: int


def keep(*, brand_id: int, kind: str, days: int) -> None:
    """Let a brand keep a kind of rows for its own number of days."""
    if kind not in KINDS or not 1 <= days <= MOST_DAYS:
        raise RetentionInvalid(kinds=sorted(KINDS))
    statement = insert(RetentionPolicy).values(brand_id=brand_id, kind=kind, days=days)
    session.execute(statement.on_conflict_do_update(index_elements=["brand_id", "kind"], set_={"days": days}))


def over() -> list[Over]:
    """What the next nights would forget."""
    return [
        Over(
            name, brand_id, days, session.scalar(text(f"SELECT count(*) FROM {kind.table} WHERE {kind.where}"), at) or 0
        )
        for name, kind, brand_id, days, at in _plan()
    ]


def nightly(slot: Slot) -> None:
    """Slot privacy.retention: one chunk of each kind and brand; a full one means another slot at once."""
    if any(rows == CHUNK for rows in forget().values()):
        session.add(Slot(task=slot.task, at=clock.now(), queue=slot.queue, correlation_id=context.correlation_id()))


def forget(*, chunk: int = CHUNK) -> dict[tuple[str, int | None], int]:
    """Forget one chunk of each kind and brand; how many rows each was."""
    return {(name, brand_id): _forget(kind, at, chunk) for name, kind, brand_id, _, at in _plan()}


def _forget(kind: Kind, at: dict[str, Any], chunk: int) -> int:
    key = ", ".join(f'"{column}"' for column in kind.key)
    same = " AND ".join(f'{kind.table}."{column}" = victims."{column}"' for column in kind.key)
    victims = f"WITH victims AS (SELECT {key} FROM {kind.table} WHERE {kind.where} ORDER BY {key} LIMIT :chunk)"
    if kind.change is None:
        statement = f"{victims} DELETE FROM {kind.table} USING victims WHERE {same}"
    else:
        statement = f"{victims} UPDATE {kind.table} SET {kind.change} FROM victims WHERE {same}"
    result = session.execute(text(statement), {**at, "chunk": chunk})
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


def _plan() -> list[tuple[str, Kind, int | None, int, dict[str, Any]]]:
    """Kind, brand, days and the parameters of its statements."""
    own = {(row.brand_id, row.kind): row.days for row in session.scalars(select(RetentionPolicy))}
    now = clock.now()
    brands: list[int] = [brand.id for brand in org.brands()]
    plan: list[tuple[str, Kind, int | None, int, dict[str, Any]]] = []
    for name, kind in KINDS.items():
        for brand_id in [None] if name in _OF_NO_BRAND else brands:
            days = own.get((brand_id, name), kind.days) if brand_id is not None else kind.days
            plan.append((name, kind, brand_id, days, _moments(now, days, brand_id)))
    return plan


def _moments(now: datetime, days: int, brand_id: int | None) -> dict[str, Any]:
    before = now - timedelta(days=days)
    return {"brand_id": brand_id, "before": before, "first_id": first_of(before), "now": now}
