"""What must always be true of the plumbing's own tables: each statement returns the rows that break its rule."""

from __future__ import annotations

_WORK = ("inbox", "delivery", "slot")


def _over_work(columns: str, condition: str) -> str:
    return " UNION ALL ".join(f"SELECT '{table}' AS kind, {columns} FROM {table} WHERE {condition}" for table in _WORK)


INVARIANTS: dict[str, str] = {
    "work_status_is_known": _over_work(
        "id, status", "status NOT IN ('due', 'queued', 'running', 'waiting', 'done', 'dead')"
    ),
    "work_lease_only_while_held": _over_work(
        "id, status", "(status IN ('queued', 'running')) <> (lease_until IS NOT NULL)"
    ),
    # An inbox row of a kind nobody handles is stored as done and has no time of doing.
    "work_done_has_a_time": """
        SELECT 'delivery' AS kind, id FROM delivery WHERE status = 'done' AND done_at IS NULL
        UNION ALL SELECT 'slot', id FROM slot WHERE status = 'done' AND done_at IS NULL
    """,
    "work_waiting_says_for_what": _over_work("id, status", "(status = 'waiting') <> (waits_for IS NOT NULL)"),
    "work_dead_says_why": _over_work("id, status", "status = 'dead' AND last_error IS NULL"),
    "delivery_has_its_event": """
        SELECT delivery.id FROM delivery LEFT JOIN outbox ON outbox.id = delivery.outbox_id WHERE outbox.id IS NULL
    """,
    "delivery_only_of_fanned_out_events": """
        SELECT delivery.id FROM delivery JOIN outbox ON outbox.id = delivery.outbox_id
        WHERE outbox.fanned_out_at IS NULL
    """,
    # The key is written in the transaction of its effect, so a key without an answer is an effect that got lost.
    "idempotency_key_has_its_answer": "SELECT scope, key FROM idempotency_key WHERE answer IS NULL",
}
