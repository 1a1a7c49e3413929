"""Campaigns, coupons and a till's signed requests for tests."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from typing import Any

from factories import World
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core import ids
from app.core.transaction import transaction
from app.coupons import commands, queries
from app.coupons.models import Coupon
from app.coupons.rules import Line, Terms
from app.pos import auth

_numbers = itertools.count(1)


def terms(**values: Any) -> Terms:
    return Terms(**({"kind": "amount", "amount_fen": 500, "valid_days": 7, "per_member": 1} | values))


def campaign(
    world: World,
    *,
    quota: int = 1000,
    stripes: int = 4,
    claimable: bool = True,
    budget_fen: int | None = None,
    day_quota: int | None = None,
    **values: Any,
) -> int:
    """Commit an active campaign; `values` are its terms."""
    with transaction():
        return commands.create_campaign(
            brand_id=world.brand_id,
            code=f"C{next(_numbers)}",
            name="立减券",
            terms=terms(**values),
            quota=quota,
            stripes=stripes,
            claimable=claimable,
            budget_fen=budget_fen,
            day_quota=day_quota,
        )


def key(scope: str = "pos:1", body: Any = None, value: str | None = None) -> commands.Key:
    value = value or f"key-{next(_numbers):08d}"
    return commands.Key(scope, value, hashlib.sha256(repr(body).encode()).digest())


def coupon(world: World, campaign_id: int | None = None, *, member_id: int | None = None, **values: Any) -> Coupon:
    """A member's fresh coupon, of a campaign of its own unless one is given."""
    campaign_id = campaign_id or campaign(world, **values)
    member_id = member_id or ids.new_id()
    taken = commands.claim(
        brand_id=world.brand_id, member_id=member_id, campaign_id=campaign_id, key=key(f"miniapp:{member_id}")
    )
    return fresh(world, member_id, taken.coupon_id)


def fresh(world: World, member_id: int, coupon_id: int) -> Coupon:
    """The coupon as it stands in the database now."""
    with transaction():
        return queries.owned(world.brand_id, member_id, coupon_id)


def till(world: World, store: int = 0) -> commands.Till:
    place = world.stores[store]
    return commands.Till(world.brand_id, place.id, place.dealer_id, place.region_id, "till", "till", world.till.id)


BASKET = (Line(1, "SKU-1", "shoes", 1, 2000), Line(2, "SKU-2", "socks", 2, 1000))


def redeem(world: World, code: str, *, order_no: str = "", using: commands.Key | None = None) -> commands.Redemption:
    order_no = order_no or f"O{next(_numbers)}"
    return commands.redeem(
        till=till(world), key=using or key(body=(code, order_no)), code=code, order_no=order_no, lines=BASKET
    )


def body(code: str, order_no: str = "O1", *, store: str = "S001", **extra: Any) -> dict[str, Any]:
    return {
        "code": code,
        "order_no": order_no,
        "store": store,
        "lines": [
            {"line_no": 1, "sku": "SKU-1", "category": "shoes", "quantity": 1, "amount_fen": 2000},
            {"line_no": 2, "sku": "SKU-2", "category": "socks", "quantity": 2, "amount_fen": 1000},
        ],
        **extra,
    }


def post(
    client: FlaskClient,
    world: World,
    path: str,
    payload: Any,
    *,
    idempotency_key: str | None = None,
    raw: bytes | None = None,
    **override: str,
) -> TestResponse:
    """A till's signed POST; `override` replaces headers by name (Key, Timestamp, Signature)."""
    target = f"/api/pos/v1/{path}"
    data = json.dumps(payload).encode() if raw is None else raw
    timestamp = override.get("Timestamp", str(int(time.time())))
    headers = {"X-Siyu-Key": world.till.key_id, "X-Siyu-Timestamp": timestamp}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    headers["X-Siyu-Signature"] = auth.signature(
        world.till_secret.encode(),
        method="POST",
        target=target,
        timestamp=timestamp,
        idempotency_key=idempotency_key or "",
        body=data,
    )
    headers |= {f"X-Siyu-{name}": value for name, value in override.items()}
    return client.post(target, data=data, content_type="application/json", headers=headers)
