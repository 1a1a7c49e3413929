"""Redeeming over HTTP, the whole real path, against the same statements through pgbench and through a bare route."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import psycopg

from app.coupons import codes
from app.coupons.commands.redeem import REDEEM
from app.coupons.queries.till import BY_CODE
from app.pos.auth import signature
from bench import common
from bench.common import CLIENTS, Plan
from dev.services import Services

PLAIN_COUPON, PLAIN_MEMBER = 1_000_000_000_000, 2_000_000_000_000
GOAL_PGBENCH, GOAL_BARE = 0.15, 0.6

_EXPRESSIONS = {
    "code": "('PLAIN' || lpad((:n)::text, 9, '0'))",
    "member_id": f"({PLAIN_MEMBER} + :n)",
    "coupon_id": f"({PLAIN_COUPON} + :n)",
    "redemption_id": f"({PLAIN_COUPON} + :n)",
    "outbox_id": f"({PLAIN_COUPON} + :n)",
    "event_id": f"({PLAIN_MEMBER} + :n)",
    "key": "('plain-' || (:n)::text)",
    "order_no": "('P' || (:n)::text)",
    "holder": "concat_ws(chr(58), 'till', :store_id::text, 'P' || (:n)::text)",  # pgbench reads a colon in quotes, too
    "key_digest": "decode(:digest, 'hex')",
    # pgbench knows no empty variables
    "supplier": "''",
    "stack_group": "''",
}


def coupons_needed(plan: Plan) -> tuple[int, int]:
    """How many coupons the HTTP targets and pgbench use up."""
    return (2 * plan.rounds * plan.requests + 2 * 25) * CLIENTS, plan.rounds * plan.transactions * CLIENTS


def run(services: Services, environment: dict[str, str], seeded: dict[str, Any], plan: Plan) -> None:
    """Measure and print both ratios. crypto must be configured as in the server: the client makes rotating codes."""
    database_url = environment["DATABASE_URL"]
    script = common.OUT / "redemption.sql"
    common.OUT.mkdir(parents=True, exist_ok=True)
    script.write_text(
        "\\set n :base + :client_id * :per_client + :i\n\\set i :i + 1\n"
        + common.as_pgbench(BY_CODE, _EXPRESSIONS)
        + common.as_pgbench(REDEEM, _EXPRESSIONS)
    )
    constants = _constants(seeded)
    supply = iter(seeded["codes"])
    rows: list[dict[str, object]] = []

    def ours(count: int) -> list[list[bytes]]:
        return common.shared_out([_signed(seeded, next(supply)) for _ in range(count * CLIENTS)])

    def bare(count: int) -> list[list[bytes]]:
        return common.shared_out([_bare(next(supply)) for _ in range(count * CLIENTS)])

    bare_environment = {**environment, "BENCH_CONSTANTS": json.dumps(constants)}
    with common.served("wsgi:app", environment) as port, common.served("bench.bare:app", bare_environment) as bare_port:
        common.load(port, ours(25))
        common.load(bare_port, bare(25))
        for number in range(plan.rounds):
            per_second = common.pgbench(
                services,
                database_url,
                script,
                transactions=plan.transactions,
                variables={
                    **{name: str(value) for name, value in constants.items() if name not in _EXPRESSIONS},
                    "digest": "30" * 32,
                    "i": "0",
                    "per_client": str(plan.transactions),
                    "base": str(number * plan.transactions * CLIENTS),
                    "line_nos": "{1,2}",
                    "line_fens": "{333,167}",
                    "line_quantities": "{1,2}",
                },
            )
            rows.append(common.rate_row(number, "pgbench", per_second))
            rows.append(common.rate_row(number, "bare", *common.load(bare_port, bare(plan.requests))))
            rows.append(common.rate_row(number, "siyu", *common.load(port, ours(plan.requests))))
            common.note(f"round {number + 1}: " + ", ".join(f"{r['target']} {r['per_second']}/s" for r in rows[-3:]))
    _check(database_url, sum(coupons_needed(plan)))
    common.write_rows("redemption", rows)
    siyu = common.median_rate(rows, "siyu")
    common.ratio("redemption_http_to_pgbench", siyu / common.median_rate(rows, "pgbench"), GOAL_PGBENCH)
    common.ratio("redemption_http_to_bare_flask", siyu / common.median_rate(rows, "bare"), GOAL_BARE)


def _constants(seeded: dict[str, Any]) -> dict[str, Any]:
    """Parameters that are alike in every redemption, of the size the product writes."""
    told = {
        "brand_id": seeded["brand_id"], "member_id": PLAIN_MEMBER, "person_id": None, "coupon_id": PLAIN_COUPON,
        "campaign_id": seeded["campaign_id"], "redemption_id": PLAIN_COUPON, "order_no": "P00000000",
        "store_id": seeded["store_id"], "discount_fen": 500,
    }  # fmt: skip
    answer = {
        **told,
        "name": "满30减5",
        "kind": "threshold",
        "lines": [[1, 333], [2, 167]],
        "redeemed_at": seeded["now"],
    }
    return {
        "brand_id": seeded["brand_id"],
        "now": seeded["now"],
        "held_at": seeded["now"],
        "from_status": "claimed",
        "to_status": "redeemed",
        "cause": "redeem",
        "event_name": "coupons.redeemed",
        "source": "till",
        "counter": "till",
        "store_id": seeded["store_id"],
        "api_client_id": seeded["client_id"],
        "discount_fen": 500,
        "hq_fen": 300,
        "dealer_fen": 200,
        "supplier_fen": 0,
        "supplier": "",
        "stack_group": "",
        "before_fen": 0,
        "budgeted": False,
        "total_fen": 29850,
        "line_quantities": [1, 2],
        "line_nos": [1, 2],
        "line_fens": [333, 167],
        "key_scope": f"plain:{seeded['client_id']}",
        "correlation_id": "cor_0000000000000",
        "payload": json.dumps(told),
        "answer": json.dumps(answer, ensure_ascii=False),
        "step": int(time.time()) // 60,
    }


_LINES = [
    {"line_no": 1, "sku": "SKU-000001", "category": "shoes", "quantity": 1, "amount_fen": 19900},
    {"line_no": 2, "sku": "SKU-000002", "category": "socks", "quantity": 2, "amount_fen": 9950},
]


def _body(shown: str, order_no: str, store: str) -> bytes:
    return json.dumps({"code": shown, "order_no": order_no, "store": store, "lines": _LINES}).encode()


def _signed(seeded: dict[str, Any], code: str) -> bytes:
    """A till's request with the rotating code of this minute."""
    now = datetime.now(UTC)
    body = _body(codes.rotating(code, now)[0], f"O{code}", seeded["store"])
    target, timestamp, key = "/api/pos/v1/redemptions", str(int(now.timestamp())), f"bench-{code}"
    signed = signature(
        seeded["secret"].encode(), method="POST", target=target, timestamp=timestamp, idempotency_key=key, body=body
    )
    return common.http_request(
        "POST", target, body, Content_Type="application/json", Idempotency_Key=key, X_Siyu_Key=seeded["key_id"],
        X_Siyu_Timestamp=timestamp, X_Siyu_Signature=signed,
    )  # fmt: skip


def _bare(code: str) -> bytes:
    body = _body(code, f"B{code}", "S000")
    return common.http_request("POST", "/redeem", body, Content_Type="application/json")


def _check(database_url: str, expected: int) -> None:
    """Nothing was measured that did not happen: every request redeemed its coupon."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT count(*), (SELECT count(*) FROM coupon WHERE status = 'redeemed') FROM redemption"
        ).fetchone()
    if found != (expected, expected):
        raise RuntimeError(f"{expected} redemptions were asked for, {found} were made")
