from __future__ import annotations

import time
from typing import Any

import pytest
from coupon_factories import body, post
from factories import World
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.core.db import session
from app.core.transaction import transaction
from app.pos import auth
from app.pos.checked import BodyInvalid, Checked
from app.pos.redemptions import RedemptionIn


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ({"Signature": "0" * 64}, "bad_signature"),
        ({"Signature": ""}, "bad_signature"),
        ({"Signature": "é" * 64}, "bad_signature"),
        ({"Key": "key_nobody"}, "bad_signature"),
        ({"Key": ""}, "bad_signature"),
        ({"Timestamp": "soon"}, "bad_signature"),
        ({"Timestamp": "-5"}, "bad_signature"),
    ],
    ids=str,
)
def test_what_is_not_signed_well_is_refused(client: Any, world: World, override: dict[str, str], code: str) -> None:
    answer = post(client, world, "redemptions", body("x"), idempotency_key="signed-001", **override)
    assert (answer.status_code, answer.json["code"]) == (401, code)


@pytest.mark.parametrize("away", [-400, 100_000])
def test_a_clock_that_is_off_is_refused(client: Any, world: World, away: int) -> None:
    stamp = str(int(time.time()) + away)
    answer = post(client, world, "redemptions", body("x"), idempotency_key="signed-001", Timestamp=stamp)
    assert (answer.status_code, answer.json["code"]) == (401, "stale_timestamp")


def test_every_part_of_a_request_is_signed(client: Any, world: World) -> None:
    good = {"secret": world.till_secret.encode(), "method": "POST", "target": "/a?b=1", "timestamp": "1"}
    good |= {"idempotency_key": "k", "body": b"x"}
    changes = {"secret": b"y", "method": "PUT", "target": "/a?b=2", "timestamp": "2", "body": b"y"}
    changes |= {"idempotency_key": "l"}
    signatures = {auth.signature(**good)} | {
        auth.signature(**(good | {name: value})) for name, value in changes.items()
    }
    assert len(signatures) == 1 + len(changes)


def test_a_signature_does_not_fit_another_path(client: Any, world: World) -> None:
    timestamp = str(int(time.time()))
    signed = auth.signature(
        world.till_secret.encode(), method="POST", target="/api/pos/v1/orders", timestamp=timestamp, body=b"{}"
    )
    answer = post(client, world, "redemptions", None, raw=b"{}", Signature=signed, Timestamp=timestamp)
    assert answer.status_code == 401


def test_a_disabled_key_stops_working_within_seconds(
    client: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "KEPT_SECONDS", 0.0)
    assert post(client, world, "redemptions/validate", body("x")).json["code"] == "coupon_unknown"
    with transaction():
        session.merge(world.till).status = "disabled"
    assert post(client, world, "redemptions/validate", body("x")).json["code"] == "bad_signature"


checked = Checked(RedemptionIn)
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=70) | st.floats(allow_nan=False)
lines = st.lists(
    st.fixed_dictionaries(
        {"line_no": st.integers(0, 10_000), "sku": st.text(max_size=66), "quantity": st.integers(0, 10_000)}
        | {"amount_fen": st.integers(-1, 10**9 + 1)},
        optional={"category": st.text(max_size=66), "more": scalars},
    )
    | scalars,
    max_size=3,
)
bodies = st.fixed_dictionaries(
    {"code": st.text(max_size=66) | scalars, "order_no": st.text(max_size=5), "store": st.text(max_size=5)}
    | {"lines": lines},
    optional={"paid_at": scalars | st.just("2026-01-01T00:00:00+08:00"), "more": scalars},
)


@given(given_body=bodies | scalars | lines)
def test_the_short_way_through_a_schema_agrees_with_it(given_body: Any) -> None:
    try:
        expected = RedemptionIn().load(given_body)
    except ValidationError:
        with pytest.raises(BodyInvalid):
            checked.load(given_body)
        return
    loaded = checked.load(given_body)
    for line in loaded["lines"]:
        line.setdefault("category", "")
    assert loaded == expected
