"""The token broker under races, refusals and a Redis that is gone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from redis import Redis

from app.wechat.accounts import WeComApp
from app.wechat.cache import SharedCache
from app.wechat.client import Wire
from app.wechat.errors import Misconfigured, Unavailable
from app.wechat.tokens import Broker, Grant
from app.wechat.wecom import WeCom

LIST = "/cgi-bin/externalcontact/list"
TOKEN = "/cgi-bin/gettoken"
OK = {"errcode": 0, "external_userid": []}


def used(tencent, path: str = LIST) -> list[str]:
    return [request.params["access_token"] for request in tencent.calls(path)]


class Issuer:
    """Hands out numbered tokens slowly and counts how often it was asked, and how many at once."""

    def __init__(self, life: float = 7200) -> None:
        self.asked = self.inside = self.most = 0
        self.life = life
        self._lock = threading.Lock()

    def __call__(self) -> Grant:
        with self._lock:
            self.asked += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            number = self.asked
        time.sleep(0.05)
        with self._lock:
            self.inside -= 1
        return Grant(f"token-{number}", self.life)


def processes(redis, count: int) -> list[Broker]:
    """Brokers that share nothing but Redis, as processes do."""
    return [Broker(SharedCache(redis)) for _ in range(count)]


def test_many_processes_fetch_once(redis):
    issuer, brokers = Issuer(), processes(redis, 16)
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda broker: broker.get("c", issuer), brokers))
    assert set(got) == {"token-1"} and issuer.asked == 1


def test_early_renewal_is_done_by_one_while_the_others_go_on(redis):
    issuer, brokers = Issuer(), processes(redis, 8)
    brokers[0].get("c", issuer)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=7000)):
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda broker: broker.get("c", issuer), brokers))
        assert issuer.asked == 2 and issuer.most == 1
        assert set(got) <= {"token-1", "token-2"}
        assert brokers[3].get("c", issuer) == "token-2"


def test_a_failed_early_renewal_leaves_the_present_value_in_use(redis):
    (broker,) = processes(redis, 1)
    broker.get("c", Issuer())

    def fails() -> Grant:
        raise Unavailable

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=7000)):
        assert broker.get("c", fails) == "token-1"


def test_only_the_failing_value_is_dropped(redis):
    issuer, (one, other) = Issuer(), processes(redis, 2)
    stale = one.get("c", issuer)
    one.discard("c", stale)
    fresh = one.get("c", issuer)
    other.discard("c", stale)  # it failed with the old value a moment later
    assert other.get("c", issuer) == fresh == "token-2" and issuer.asked == 2


def test_processes_that_fail_together_refresh_once(redis):
    issuer, brokers = Issuer(), processes(redis, 12)
    stale = brokers[0].get("c", issuer)

    def renew(broker: Broker) -> str:
        broker.discard("c", stale)
        return broker.get("c", issuer)

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(renew, brokers)) == {"token-2"}
    assert issuer.asked == 2


def test_an_emptied_redis_costs_one_fetch(redis):
    issuer, (one, other) = Issuer(), processes(redis, 2)
    one.get("c", issuer)
    redis.flushdb()
    assert one.get("c", issuer) == other.get("c", issuer) == "token-2" and issuer.asked == 2


def test_without_redis_each_process_keeps_its_own():
    gone = Redis(host="127.0.0.1", port=9, socket_connect_timeout=0.2, retry=None)
    issuer, brokers = Issuer(), processes(gone, 2)
    with ThreadPoolExecutor(8) as pool:
        first = set(pool.map(lambda _: brokers[0].get("c", issuer), range(8)))
    assert len(first) == 1 and brokers[1].get("c", issuer) not in first and issuer.asked == 2


def test_a_waiter_gives_up_when_the_refresher_never_finishes(redis):
    cache = SharedCache(redis)
    cache.add("lock:c", "someone", 60)
    naps: list[float] = []
    clock = iter(range(0, 1000, 5))
    broker = Broker(cache, sleep=naps.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.wechat.tokens.time.monotonic", lambda: next(clock))
        with pytest.raises(Unavailable):
            broker.get("c", Issuer())


@pytest.mark.parametrize("errcode", [40014, 42001])
def test_a_refused_token_is_renewed_and_the_call_repeated_once(wecom, tencent, errcode):
    tencent.token("t1", "t2")
    tencent.answers(LIST, {"errcode": errcode, "errmsg": "no", "external_userid": []}, OK)
    assert wecom.contacts_of("u") == ()
    assert used(tencent) == ["t1", "t2"]


def test_a_token_refused_again_is_not_a_loop(wecom, tencent):
    tencent.token("t1", "t2", "t3")
    tencent.answers(LIST, {"errcode": 42001, "errmsg": "expired"})
    with pytest.raises(Unavailable):
        wecom.contacts_of("u")
    assert used(tencent) == ["t1", "t2"] and len(tencent.calls(TOKEN)) == 2


def test_a_mini_program_token_replaced_elsewhere_is_renewed_once(mini, tencent):
    tencent.mini_token("m1", "m2")
    path = "mp:/cgi-bin/message/subscribe/send"
    tencent.answers(path, {"errcode": 40001, "errmsg": "invalid credential"}, {"errcode": 0})
    mini.send_subscribe_message(openid="o", template_id="t", data={"thing1": "x"})
    assert used(tencent, "/subscribe/send") == ["m1", "m2"]


@pytest.mark.parametrize("errcode", [40001, 40013, 40091])
def test_a_wrong_secret_makes_one_call_a_minute(redis, corp, wecom, tencent, errcode):
    tencent.answers(TOKEN, {"errcode": errcode, "errmsg": "invalid credential"})
    for _ in range(5):
        with pytest.raises(Misconfigured) as caught:
            wecom.contacts_of("u")
        assert caught.value.errcode == errcode
    assert len(tencent.calls(TOKEN)) == 1
    redis.delete(f"siyu:wechat:stop:{corp.credential}")  # a minute later
    with pytest.raises(Misconfigured):
        wecom.contacts_of("u")
    assert len(tencent.calls(TOKEN)) == 2


def test_a_stop_lasts_a_minute_and_a_corrected_secret_works_at_once(redis, corp, wire, wecom, tencent):
    tencent.answers(
        TOKEN, {"errcode": 40001, "errmsg": "invalid credential"}, {"access_token": "t", "expires_in": 7200}
    )
    tencent.answers(LIST, OK)
    with pytest.raises(Misconfigured):
        wecom.contacts_of("u")
    assert 55 < redis.ttl(f"siyu:wechat:stop:{corp.credential}") <= 60
    repaired = WeComApp(corp_id="wwcorp", agent_id=1000002, secret="the right one", api_base=corp.api_base)
    assert WeCom(repaired, wire).contacts_of("u") == ()


def test_a_wrong_secret_found_by_any_call_stops_the_next(wecom, tencent):
    tencent.token("t1")
    tencent.answers(LIST, {"errcode": 40001, "errmsg": "invalid credential"})
    for _ in range(3):
        with pytest.raises(Misconfigured):
            wecom.contacts_of("u")
    assert len(tencent.calls(LIST)) == 1 and len(tencent.calls(TOKEN)) == 1


def test_a_wrong_mini_program_secret_is_not_taken_for_a_stale_token(mini, tencent):
    tencent.answers("mp:/cgi-bin/stable_token", {"errcode": 40001, "errmsg": "invalid credential"})
    for _ in range(3):
        with pytest.raises(Misconfigured):
            mini.wxacode_unlimited(scene="a=1")
    assert len(tencent.calls("/stable_token")) == 1


def test_tickets_are_cached_per_app_and_kind(corp, wire, wecom, tencent):
    tencent.token("t1")
    tencent.answers("/cgi-bin/get_jsapi_ticket", {"errcode": 0, "ticket": "corp-ticket", "expires_in": 7200})
    tencent.answers(
        "/cgi-bin/ticket/get",
        {"errcode": 0, "ticket": "ticket-of-app-1", "expires_in": 7200},
        {"errcode": 0, "ticket": "ticket-of-app-2", "expires_in": 7200},
    )
    other = WeCom(WeComApp("wwcorp", 1000003, "another secret", api_base=corp.api_base), wire)
    for _ in range(3):
        of_corp, agent, of_other = (
            wecom.config("https://a/"),
            wecom.agent_config("https://a/"),
            other.agent_config("https://a/"),
        )
    assert of_corp.agent_id is None and (agent.agent_id, of_other.agent_id) == (1000002, 1000003)
    assert len(tencent.calls("/get_jsapi_ticket")) == 1 and len(tencent.calls("/ticket/get")) == 2


def test_two_wires_share_a_token_through_redis(corp, redis, tencent):
    tencent.token("t1", "t2")
    tencent.answers(LIST, OK)
    for _ in range(2):
        WeCom(corp, Wire(redis)).contacts_of("u")
    assert used(tencent) == ["t1", "t1"] and len(tencent.calls(TOKEN)) == 1
