"""How often somebody may do something."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from redis import Redis

from app.admin.auth import LOGINS_A_MINUTE
from app.core import rates
from app.core import redis as core_redis
from app.core.db import db
from app.core.errors import TooManyRequests
from app.web import create_app

NOON = datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)


def test_the_next_minute_counts_anew_and_everybody_for_themselves(app):
    with time_machine.travel(NOON, tick=False):
        for _ in range(3):
            rates.check("test", "one", most=3)
        with pytest.raises(TooManyRequests) as refused:
            rates.check("test", "one", most=3)
        assert refused.value.retry_after == 45
        rates.check("test", "other", most=3)
    with time_machine.travel(NOON + timedelta(seconds=45), tick=False):
        rates.check("test", "one", most=3)


def test_nobody_is_refused_while_redis_is_away(app, monkeypatch):
    monkeypatch.setattr(core_redis, "_client", Redis(host="127.0.0.1", port=1))
    for _ in range(3):
        rates.check("test", "one", most=1)


def test_logins_from_one_address_are_limited(client):
    with time_machine.travel(NOON, tick=False):
        for _ in range(LOGINS_A_MINUTE):
            rates.check("admin.login", "127.0.0.1", most=LOGINS_A_MINUTE)
        answer = client.post("/api/admin/v1/login", json={"login": "nobody", "password": "x"})
        page = client.post("/console/login", data={"login": "nobody", "password": "x"})
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_requests")
    assert answer.headers["Retry-After"] == "45"
    assert page.status_code == 429


def test_behind_a_proxy_of_ours_the_caller_is_who_it_names(app, redis):
    behind = create_app(replace(app.extensions["siyu"], trusted_proxies=1))

    def sign_in(address: str) -> int:
        body, headers = {"login": "nobody", "password": "wrong"}, {"X-Forwarded-For": f"6.6.6.6, {address}"}
        return behind.test_client().post("/api/admin/v1/login", json=body, headers=headers).status_code

    with time_machine.travel(NOON, tick=False):  # a slow machine needs more than the minute that counts
        answers = [sign_in("10.0.0.1") for _ in range(31)]
        assert answers[0] == 401 and answers[-1] == 429
        assert sign_in("10.0.0.2") == 401
    with behind.app_context():
        db.engine.dispose()
