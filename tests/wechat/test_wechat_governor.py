"""Quotas are kept by all processes together, and who would go over is told when to come back."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import responses
import time_machine

from app.wechat import limits
from app.wechat.cache import SharedCache
from app.wechat.client import Wire
from app.wechat.errors import Throttled, Unavailable
from app.wechat.governor import Governor
from app.wechat.limits import Quota
from app.wechat.wecom import WeCom

API = "/cgi-bin/test"
NOON = datetime(2026, 11, 22, 4, 0, 0, tzinfo=UTC)


@pytest.fixture
def governor(redis) -> Governor:
    return Governor(SharedCache(redis))


@pytest.fixture
def allow(monkeypatch):
    def set_quota(**values: int) -> None:
        monkeypatch.setitem(limits.QUOTAS["wecom"], API, Quota(**values))

    return set_quota


def call(governor: Governor, account: str = "ww1") -> None:
    with governor.admitted("wecom", account, API):
        pass


def refused(governor: Governor) -> float:
    with pytest.raises(Throttled) as caught:
        call(governor)
    return caught.value.retry_after


def test_a_minute_and_when_it_is_over(governor, allow):
    allow(a_minute=3)
    with time_machine.travel(NOON + timedelta(seconds=20), tick=False):
        for _ in range(3):
            call(governor)
        assert refused(governor) == pytest.approx(40, abs=0.01)
        call(governor, account="ww2")  # another corp has its own
    with time_machine.travel(NOON + timedelta(seconds=20 + 40.01), tick=False):
        call(governor)


def test_what_was_called_at_the_end_of_a_minute_counts_in_the_next(governor, allow):
    allow(a_minute=60)
    with time_machine.travel(NOON + timedelta(seconds=59), tick=False):
        for _ in range(60):
            call(governor)
    with time_machine.travel(NOON + timedelta(seconds=75), tick=False):  # three quarters of the 60 still weigh
        for _ in range(15):
            call(governor)
        assert 0 < refused(governor) <= 1.01
    with time_machine.travel(NOON + timedelta(seconds=76.01), tick=False):
        call(governor)


def test_an_hour_outlasts_its_minutes(governor, allow):
    allow(a_minute=10, an_hour=4)
    with time_machine.travel(NOON + timedelta(minutes=10), tick=False):
        for _ in range(4):
            call(governor)
    with time_machine.travel(NOON + timedelta(minutes=20), tick=False):
        assert refused(governor) == pytest.approx(40 * 60, abs=0.01)


def test_a_refused_call_is_not_counted(governor, allow, redis):
    allow(a_minute=2)
    with time_machine.travel(NOON, tick=False):
        for _ in range(2):
            call(governor)
        for _ in range(5):
            refused(governor)
    counted = [int(redis.get(key)) for key in redis.keys("siyu:wechat:calls:*")]
    assert counted == [2]


def test_redis_emptied_loses_only_the_count(governor, allow, redis):
    allow(a_minute=1, at_once=1)
    with governor.admitted("wecom", "ww1", API):
        redis.flushdb()
        call(governor)


def test_calls_at_once_over_many_threads(governor, allow):
    """Eight threads, two places: never more than two inside, and everybody comes through in the end."""
    allow(at_once=2)
    inside, most, through = 0, 0, 0
    lock, start = threading.Lock(), threading.Barrier(8)

    def work() -> None:
        nonlocal inside, most, through
        start.wait()
        while True:
            try:
                with governor.admitted("wecom", "ww1", API):
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    threading.Event().wait(0.01)
                    with lock:
                        inside -= 1
                        through += 1
                    return
            except Unavailable:
                threading.Event().wait(0.002)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, through) == (2, 8)


def test_a_place_a_killed_process_held_comes_free(governor, allow):
    allow(at_once=1)
    with time_machine.travel(NOON, tick=False):
        killed = governor.admitted("wecom", "ww1", API)
        killed.__enter__()
        with pytest.raises(Unavailable):
            call(governor)
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        call(governor)
    assert killed is not None  # not left until here


def test_two_processes_share_a_quota_and_the_one_over_it_asks_nobody(redis, corp, monkeypatch):
    path = "/cgi-bin/externalcontact/get_corp_tag_list"
    monkeypatch.setitem(limits.QUOTAS["wecom"], path, Quota(a_minute=2))
    one, other = WeCom(corp, Wire(redis)), WeCom(corp, Wire(redis))
    with responses.RequestsMock() as mock, time_machine.travel(NOON, tick=False):
        token = {"errcode": 0, "access_token": "t", "expires_in": 7200}
        mock.get(corp.api_base + "/cgi-bin/gettoken", json=token)
        mock.post(corp.api_base + path, body=json.dumps({"errcode": 0, "tag_group": []}))
        one.corp_tags()
        other.corp_tags()
        with pytest.raises(Throttled) as caught:
            one.corp_tags()
        assert caught.value.until == NOON + timedelta(milliseconds=60_001)
        assert len([asked for asked in mock.calls if path in asked.request.url]) == 2


def test_every_published_quota_is_for_a_path_we_call():
    paths = [path for table in limits.QUOTAS.values() for path in table]
    assert all(path.startswith(("/cgi-bin/", "/wxa/")) for path in paths)
    assert limits.quota("wecom", "/cgi-bin/anything") == Quota(10_000, 150_000)
