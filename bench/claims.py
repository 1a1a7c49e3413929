"""Claiming from one hot campaign over HTTP with 16 clients, against the same statements through pgbench and through a
bare route; then what sold-out answers cost. Each target has a campaign of its own and the same members.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg

from app.coupons.commands.looks import LOOK
from app.coupons.commands.take import CLAIM
from app.members.queries import STANDING
from bench import common
from bench.common import Plan
from dev.services import Services

PERSON, MEMBER, COUPON = (number * 10**12 for number in (1, 2, 3))
CLIENTS = 16
WARM, LAST, LEFT = 25, 25, 200
GOAL_PGBENCH, GOAL_BARE, GOAL_SOLD_OUT = 0.15, 0.6, 2
STRIPES = 16

_EXPRESSIONS = {
    "jti": "('jti-' || (:n)::text)",
    "person_id": f"({PERSON} + :n)",
    "member_id": f"({MEMBER} + :n)",
    "coupon_id": f"({COUPON} + :n)",
    "outbox_id": f"({COUPON} + :n)",
    "event_id": f"({COUPON} + :n)",
    "code": "('PLAIN' || lpad((:n)::text, 9, '0'))",
    "stripe": f"mod(:n, {STRIPES})",
    "scope": "'miniapp:'",
    "key": "('plain-' || (:n)::text)",
    "key_digest": "decode(:digest, 'hex')",
    "allocated": "false",
    **dict.fromkeys(("day_quota", "source_ref", "guide_id", "from_status", "order_no", "store_id"), "NULL"),
}


def run(services: Services, environment: dict[str, str], plan: Plan) -> None:
    """Measure and print three ratios."""
    requests, transactions = plan.requests // 2, plan.transactions // 2
    environment = {**environment, "CLAIMS_PER_ADDRESS": str(10**9)}  # all clients of a benchmark share one
    claims = (WARM + plan.rounds * requests) * CLIENTS
    plain = plan.rounds * transactions * CLIENTS
    members, tokens = max(plain, claims + LAST * CLIENTS), claims + LAST * CLIENTS
    # Enough for what is measured, and 200 for the crowd that comes last; the third is sold out after one.
    quotas = (claims + LEFT, claims + 1000, 1, plain + 1000)
    seeded = json.loads(common.python(environment, "-m", "bench.crowd", *map(str, (members, tokens, *quotas))))
    common.settle(environment["DATABASE_URL"])
    ours, bare, gone, by_pgbench = seeded["campaigns"]
    supply, others = iter(seeded["tokens"]), iter(range(claims))
    numbers = iter(range(10**9))

    def claiming(campaign: str, count: int, whose: Iterator[str]) -> list[list[bytes]]:
        return common.shared_out(
            [_claim(campaign, next(whose), next(numbers)) for _ in range(count * CLIENTS)], CLIENTS
        )

    def bare_claims(count: int) -> list[list[bytes]]:
        return common.shared_out([_bare(next(others)) for _ in range(count * CLIENTS)], CLIENTS)

    def refused(count: int) -> list[list[bytes]]:
        return claiming(gone, count, iter(seeded["tokens"][1 : 1 + count * CLIENTS]))

    constants = _constants(seeded, bare)
    script = _script()
    rows: list[dict[str, object]] = []
    bare_environment = {**environment, "BENCH_CONSTANTS": json.dumps(constants)}
    with common.served("wsgi:app", environment) as port, common.served("bench.bare:app", bare_environment) as bare_port:
        common.load(port, claiming(ours, WARM, supply))
        common.load(bare_port, bare_claims(WARM))
        common.load(port, [[_claim(gone, seeded["tokens"][0], next(numbers))]])
        for number in range(plan.rounds):
            per_second = common.pgbench(
                services,
                environment["DATABASE_URL"],
                script,
                transactions=transactions,
                clients=CLIENTS,
                variables={
                    **{name: str(value) for name, value in constants.items()},
                    "campaign_id": str(seeded["campaign_ids"][3]),
                    "digest": "30" * 32,
                    "i": "0",
                    "per_client": str(transactions),
                    "base": str(number * transactions * CLIENTS),
                },
            )
            rows.append(common.rate_row(number, "pgbench", per_second))
            rows.append(common.rate_row(number, "bare", *common.load(bare_port, bare_claims(requests))))
            rows.append(common.rate_row(number, "siyu", *common.load(port, claiming(ours, requests, supply))))
            sold_out = common.load(port, refused(requests), b"HTTP/1.1 409")
            rows.append(common.rate_row(number, "sold_out", *sold_out))
            common.note(f"round {number + 1}: " + ", ".join(f"{r['target']} {r['per_second']}/s" for r in rows[-4:]))
        common.load(port, claiming(ours, LAST, supply), b"HTTP/1.1 ")  # more than is left
    _check(environment["DATABASE_URL"], seeded["campaign_ids"], (claims + LEFT, claims, 1, plain))
    common.write_rows("claims", rows)
    siyu = common.median_rate(rows, "siyu")
    common.ratio("claim_http_to_pgbench", siyu / common.median_rate(rows, "pgbench"), GOAL_PGBENCH)
    common.ratio("claim_http_to_bare_flask", siyu / common.median_rate(rows, "bare"), GOAL_BARE)
    common.ratio("sold_out_to_claims", common.median_rate(rows, "sold_out") / siyu, GOAL_SOLD_OUT)


def _script() -> Any:
    """What a claim asks the database, in its order: the shopper, the campaign; and the claim."""
    common.OUT.mkdir(parents=True, exist_ok=True)
    script = common.OUT / "claims.sql"
    script.write_text(
        "\\set n :base + :client_id * :per_client + :i\n\\set i :i + 1\n"
        + "".join(common.as_pgbench(one, _EXPRESSIONS) for one in (STANDING, LOOK, CLAIM))
    )
    return script


def _constants(seeded: dict[str, Any], campaign: str) -> dict[str, Any]:
    """Parameters that are alike in every claim, of the size the product writes."""
    now = datetime.fromisoformat(seeded["now"])
    campaign_id = seeded["campaign_ids"][1]
    told = {
        "brand_id": seeded["brand_id"], "member_id": MEMBER, "person_id": None, "coupon_id": COUPON,
        "campaign_id": campaign_id, "source": "self", "guide_id": None,
    }  # fmt: skip
    valid = {"valid_from": now.isoformat(), "valid_to": (now + timedelta(days=30)).isoformat()}
    return {
        "brand_id": seeded["brand_id"],
        "campaign_id": campaign_id,
        "version": 1,
        "seq": 1,
        **valid,
        "source": "self",
        "to_status": "claimed",
        "cause": "self",
        "now": seeded["now"],
        "correlation_id": "cor_0000000000000",
        "event_name": "coupons.issued",
        "payload": json.dumps(told),
        "key_scope": f"miniapp:{MEMBER}",
        "answer": json.dumps({"coupon_id": COUPON, "campaign_id": campaign_id, **valid}),
    }


def _claim(campaign: str, token: str, number: int) -> bytes:
    return common.http_request(
        "POST",
        f"/api/miniapp/v1/campaigns/{campaign}/claim",
        Authorization=f"Bearer {token}",
        Idempotency_Key=f"bench-{number:012}",
    )


def _bare(number: int) -> bytes:
    return common.http_request("POST", "/claim", json.dumps({"n": number}).encode(), Content_Type="application/json")


def _check(database_url: str, campaign_ids: list[int], expected: tuple[int, ...]) -> None:
    """Nothing was measured that did not happen, and stocks are exact: what is issued is what members have."""
    with psycopg.connect(database_url) as connection:
        for campaign_id, issued in zip(campaign_ids, expected, strict=True):
            found = connection.execute(
                "SELECT sum(issued)::int, (SELECT count(*) FROM coupon WHERE campaign_id = %(id)s)"
                " FROM campaign_stock WHERE campaign_id = %(id)s",
                {"id": campaign_id},
            ).fetchone()
            if found != (issued, issued):
                raise RuntimeError(f"{issued} claims were to be served, {found} were issued and are there")
