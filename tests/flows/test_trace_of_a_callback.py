"""A real callback, from Tencent's sealed bytes to the welcome message and the member, in one trace."""

from __future__ import annotations

from tencent import tencent, world  # noqa: F401  (fixtures)

from app.core.db import session
from app.core.inbox import Inbox
from app.core.transaction import transaction
from app.flows.trace import trace


def test_the_callbacks_id_leads_to_everything_it_and_later_visits_caused(app, client, run_work, tencent) -> None:  # noqa: F811
    tencent.customer("a", phone="13987650001")
    tencent.customer("b")
    tencent.add("a", "b")
    assert tencent.deliver(times=2) == [200] * 4
    run_work()
    rows = {row.payload["ExternalUserID"]: row.correlation_id for row in session.query(Inbox)}
    session.rollback()
    first = trace(rows[tencent.external("a")])
    kinds = [(step.table, step.what) for step in first.steps]
    assert [table for table, _ in kinds[:2]] == ["follow", "inbox"]  # the relation bears Tencent's moment
    assert {table for table, _ in kinds} >= {"inbox", "outbox", "delivery", "outbound", "follow", "identity"}
    assert ("outbox", "channels.customer_added") in kinds
    assert rows[tencent.external("b")] not in first.correlations

    login = client.post("/api/miniapp/v1/login", json={"appid": tencent.appid, "code": tencent.login_code("a")})
    headers = {"Authorization": f"Bearer {login.json['token']}"}
    bound = client.post("/api/miniapp/v1/phone", json={"code": tencent.phone_code("a")}, headers=headers)
    assert bound.status_code == 200, bound.text
    run_work()
    with transaction():
        later = trace(rows[tencent.external("a")])
    assert later.members and len(later.correlations) > len(first.correlations)
    assert {step.correlation_id for step in later.steps} >= {
        rows[tencent.external("a")],
        bound.headers["X-Correlation-Id"],
    }
    assert {step.table for step in later.steps} >= {"member", "inbox", "outbound"}
    assert ("outbox", "members.bound") in [(step.table, step.what) for step in later.steps]
