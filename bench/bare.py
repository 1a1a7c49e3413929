"""The simplest alternatives under the same server: an empty route, and those that run the statements of a redemption
and of a claim.

No framework extras, no checks, no signature: what a request costs at least when Flask and psycopg do it.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from flask import Flask, Response, jsonify, request
from psycopg_pool import ConnectionPool

from app.core import hot, ids
from app.coupons.commands.looks import LOOK
from app.coupons.commands.redeem import REDEEM
from app.coupons.commands.take import CLAIM
from app.coupons.queries.till import BY_CODE
from app.members.queries import STANDING
from bench.claims import MEMBER, PERSON

app = Flask(__name__)
_constants: dict[str, Any] = json.loads(os.environ.get("BENCH_CONSTANTS", "{}"))
_kept: dict[str, ConnectionPool] = {}


def _pool() -> ConnectionPool:
    if "pool" not in _kept:
        pool = ConnectionPool(
            os.environ["DATABASE_URL"],
            min_size=4,
            max_size=4,
            kwargs={"autocommit": True, "prepare_threshold": 1, "options": hot.OPTIONS},
            open=True,
        )
        _kept.setdefault("pool", pool)
    return _kept["pool"]


@app.post("/empty")
def empty() -> Response:
    return Response("success", mimetype="text/plain")


@app.post("/redeem")
def redeem() -> Response:
    body = request.get_json()
    parameters = dict(_constants)
    with _pool().connection() as connection:
        asked = {name: _constants[name] for name in ("brand_id", "counter", "store_id")}
        asked |= {"code": body["code"], "order_no": body["order_no"]}
        found = connection.execute(BY_CODE, asked).fetchone()
        assert found is not None
        made = ids.new_ids(3)
        parameters |= {
            "member_id": found[0],
            "coupon_id": found[1],
            "from_status": found[4],
            "redemption_id": made[0],
            "outbox_id": made[1],
            "event_id": made[2],
            "order_no": body["order_no"],
            "holder": f"till:{_constants['store_id']}:{body['order_no']}",
            "key": body["order_no"],
            "key_digest": b"0" * 32,
            "step": int(time.time()) // 60,
        }
        done = connection.execute(REDEEM, parameters).fetchone()
    assert done is not None
    return jsonify(redemption=made[0])


@app.post("/claim")
def claim() -> Response:
    number = request.get_json()["n"]
    asked = {"brand_id": _constants["brand_id"], "campaign_id": _constants["campaign_id"]}
    with _pool().connection() as connection:
        who = {"person_id": PERSON + number, "jti": f"jti-{number}", "scope": "miniapp:", "key": f"bare-{number}"}
        shopper = connection.execute(STANDING, asked | who).fetchone()
        assert shopper is not None
        found = connection.execute(LOOK, asked | {"member_id": shopper[1]}).fetchone()
        assert found is not None
        made = ids.new_ids(3)
        parameters = _constants | {
            "member_id": MEMBER + number,
            "coupon_id": made[0],
            "outbox_id": made[1],
            "event_id": made[2],
            "code": f"BARE{number:09}",
            "stripe": found[6][number % len(found[6])],
            "key": who["key"],
            "key_digest": b"0" * 32,
            "allocated": False,
            **dict.fromkeys(("day_quota", "source_ref", "guide_id", "from_status", "order_no", "store_id")),
        }
        done = connection.execute(CLAIM, parameters).fetchone()
    assert done is not None
    return jsonify(coupon=made[0], code=parameters["code"])
