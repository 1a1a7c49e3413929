"""How a stored row reads as a line of a trace: when, what, and its facts, without personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core import ids

_TIMES = (
    "at",
    "received_at",
    "created_at",
    "claimed_at",
    "redeemed_at",
    "added_at",
    "joined_at",
    "linked_at",
    "merged_at",
    "from_at",
    "valid_from",
    "granted_at",
    "released_at",
    "reserved_at",
    "asked_at",
)
# A later moment of a row that is a step of its own.
_LATER = {
    "member": (("bound_at", "phone bound"),),
    "guide_task": (("announced_at", "guide told"), ("done_at", "done")),
    "redemption": (("returned_at", "returned"),),
    "follow": (("changed_at", "changed"),),
    "person_merge": (("revoked_at", "taken back"),),
    "member_merge": (("revoked_at", "taken back"),),
    "identity_review": (("decided_at", "decided"),),
    "coupon_flag": (("decided_at", "decided"),),
}
_FACTS = {
    "inbox": ("source", "kind", "status", "attempts", "last_error"),
    "consent": ("purpose", "channel", "granted", "version", "source"),
    "reveal": ("actor", "role", "field"),
    "data_export": ("actor", "status", "size"),
    "erasure": ("actor", "status", "whole"),
    "outbox": ("name", "payload"),
    "delivery": ("subscriber", "status", "attempts", "last_error"),
    "slot": ("task", "status", "attempts", "last_error"),
    "audit_log": ("action", "actor", "subject"),
    "outbound": ("kind", "status", "outside_id", "error"),
    "idempotency_key": ("scope", "key"),
    "identity": ("kind", "namespace", "source"),
    "identity_review": ("reason", "status"),
    "person_merge": ("winner_id", "loser_id", "reason", "revoked_at"),
    "member_merge": ("winner_id", "loser_id", "person_merge_id", "revoked_at"),
    "identity_release": ("kind", "namespace", "person_id", "reason"),
    "phone_claim": ("claimant_id", "holder_id", "reason", "status", "tries"),
    "member": ("member_id", "number", "source", "status", "home_store_id", "guide_id"),
    "guide_history": ("guide_id", "store_id", "reason"),
    "follow": ("corp_id", "userid", "status", "state", "add_way"),
    "sales_order": ("order_id", "order_no", "source", "store_id", "channel", "paid_fen", "discount_fen", "status"),
    "journal": ("currency", "kind", "cause"),
    "member_tier": ("tier_id", "reason"),
    "benefit_grant": ("benefit_id", "period"),
    "coupon": ("coupon_id", "campaign_id", "source", "status", "valid_to"),
    "coupon_event": ("coupon_id", "from_status", "to_status", "cause", "order_no", "store_id"),
    "redemption": (
        "redemption_id",
        "coupon_id",
        "order_no",
        "store_id",
        "discount_fen",
        "hq_fen",
        "dealer_fen",
        "supplier_fen",
    ),
    "coupon_flag": ("flag_id", "rule", "count", "status", "store_id", "guide_id"),
    "coupon_month": ("status", "lines", "discount_fen", "asked_by", "closed_by"),
    "guide_task": ("task_id", "sop_id", "guide_id", "store_id", "status", "deadline_at"),
}
_PUBLIC = {
    "brand_id": "brd",
    "member_id": "mbr",
    "person_id": "prs",
    "winner_id": "prs",
    "loser_id": "prs",
    "store_id": "sto",
    "home_store_id": "sto",
    "guide_id": "gde",
    "campaign_id": "cmp",
    "coupon_id": "cpn",
    "redemption_id": "rdm",
    "flag_id": "flg",
    "order_id": "ord",
    "task_id": "tsk",
    "sop_id": "sop",
    "material_id": "mat",
    "segment_id": "seg",
}
_OF_MEMBERS = {**_PUBLIC, "winner_id": "mbr", "loser_id": "mbr"}
_SILENT = {"brand_id", "member_id", "person_id", "welcome_code"}
_SAME_STORY = timedelta(hours=1)
_WORK = {"inbox", "delivery", "slot"}


@dataclass(frozen=True)
class Step:
    """One line: `table` says where the row is, `facts` what it holds, `seconds` how long its handling took, if any."""

    at: datetime
    order: tuple[Any, ...]
    table: str
    what: str
    facts: dict[str, Any]
    correlation_id: str
    seconds: float | None = None


def lines_of(table: str, row: Mapping[str, Any]) -> Iterator[Step]:
    """The steps a row stands for: its birth, and later moments that matter of themselves."""
    at = next((row[name] for name in _TIMES if row.get(name) is not None), None)
    if at is None:
        return
    if table == "journal" and abs((written := ids.born_at(row["journal_id"])) - at) < _SAME_STORY:
        at = written  # a journal bears the till's time of payment; the story goes by when we wrote it
    facts = _facts(table, row)
    head = str(facts.pop(_head(table), "")) if _head(table) else ""
    done = row.get("done_at") if table in _WORK else row.get("finished_at")
    seconds = round((done - at).total_seconds(), 3) if done else None
    yield Step(at, _order(at, row), table, head, facts, row["correlation_id"], seconds)
    for name, what in _LATER.get(table, ()):
        moment = row.get(name)
        if moment is not None and moment != at:
            yield Step(moment, _order(moment, row), table, what, facts, row["correlation_id"])


def _head(table: str) -> str:
    return {
        "inbox": "kind",
        "outbox": "name",
        "delivery": "subscriber",
        "slot": "task",
        "audit_log": "action",
        "outbound": "kind",
        "identity": "kind",
        "journal": "currency",
        "coupon_event": "to_status",
    }.get(table, "")


def _facts(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    names = _FACTS.get(table) or [name for name in row if name in _PUBLIC or name in ("kind", "status", "reason")]
    about_members = table == "member_merge" or str(row.get("name", "")).startswith("members.")
    public = _OF_MEMBERS if about_members else _PUBLIC
    facts: dict[str, Any] = {}
    for name in names:
        value = row.get(name)
        if isinstance(value, Mapping):
            facts |= {
                key: _shown(key, one, public) for key, one in value.items() if one is not None and key not in _SILENT
            }
        elif value not in (None, ""):
            facts[name] = _shown(name, value, public)
    return facts


def _shown(name: str, value: Any, public: Mapping[str, str]) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if name in public and isinstance(value, int):
        return ids.encode(public[name], value)
    return value


def _order(at: datetime, row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Rows of one instant keep the order of their birth: ids are time-ordered."""
    born = next((value for value in row.values() if isinstance(value, int) and value > 1 << 40), 0)
    return (at, row.get("id") or born)
