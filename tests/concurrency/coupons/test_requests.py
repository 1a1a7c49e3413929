"""One request that comes more than once; each row has a twin that shows what its guard is for."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

import psycopg
import pytest
from at_once import at_once, meanwhile, until_waiting
from coupon_crowds import PARTS, TAKE, Unguarded, claim, coupons_out, module, redemptions, refused, transacted, use, won
from coupon_factories import BASKET, campaign, coupon, fresh, key, redeem, till
from factories import World
from invariants import broken

from app.core import hot, ids
from app.core.errors import Busy, SiyuError
from app.core.idempotency import Asked, once
from app.coupons import commands
from app.coupons.commands import sold_out
from app.coupons.errors import SoldOut

KEY = "the-same-key"


def test_same_request_twice(app: Any, world: World) -> None:
    """At the same moment, by many hands: one effect, and each has its answer."""
    mine, using = coupon(world), key(value=KEY)
    results = at_once(app, [lambda: redeem(world, mine.code, order_no="O1", using=using)] * 24)
    assert len({one.redemption_id for one in results}) == 1 == len(redemptions())
    member_id, campaign_id = ids.new_id(), campaign(world, per_member=5)
    claims = at_once(app, [lambda: claim(world, campaign_id, member_id, value=KEY)] * 24)
    assert len({one.coupon_id for one in claims}) == 1
    assert broken() == []


def test_twin_same_request_twice(app: Any, world: World, unguarded: Unguarded) -> None:
    """Without the promise kept beside the effect each of them claims another one."""
    member_id, campaign_id = ids.new_id(), campaign(world, per_member=5)
    unguarded.without(TAKE, "CLAIM", module(PARTS).KEY_IS_NEW, instead="true")
    unguarded.without(TAKE, "CLAIM", module(TAKE)._KEPT)
    claims = at_once(app, [lambda: claim(world, campaign_id, member_id, value=KEY)] * 24)
    assert len({one.coupon_id for one in won(claims)}) == 5 == len(coupons_out())


def _order(world: World, *codes: str) -> dict[str, Any]:
    _, done = commands.redeem_order(till=till(world), codes=codes, order_no="O1", lines=BASKET)
    return {"redemptions": [one.redemption_id for one in done]}


def test_same_order_twice(app: Any, world: World) -> None:
    """An order with two coupons, told by many hands at once."""
    mine = [coupon(world, amount_fen=100, stack_group=group).code for group in "ab"]

    def work() -> dict[str, Any]:
        return once(scope="pos:1", key=KEY, digest=b"1", work=lambda: _order(world, *mine))

    results = at_once(app, [transacted(work)] * 8)
    assert len({tuple(one["redemptions"]) for one in results}) == 1 and len(redemptions()) == 2
    assert broken() == []


def test_twin_same_order_twice(app: Any, world: World) -> None:
    """Without its promise the repeated order is refused by its own first telling: the till believes it failed."""
    mine = [coupon(world, amount_fen=100, stack_group=group).code for group in "ab"]
    results = at_once(app, [transacted(lambda: _order(world, *mine))] * 8)
    assert len(won(results)) == 1 and sum(refused(results).values()) == 7


def test_same_request_twice_after_a_time_out(app: Any, world: World) -> None:
    """The first is still waiting in the database when its caller gives up and asks again."""
    mine = coupon(world)
    ask = lambda: use(world, mine.code, order_no="O1", value=KEY)  # noqa: E731
    with psycopg.connect(os.environ["DATABASE_URL"]) as slow:
        slow.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", (mine.coupon_id,))
        first = meanwhile(app, ask)
        answers = [first.__enter__()]
        until_waiting()
        second = meanwhile(app, ask)
        answers.append(second.__enter__())
        slow.rollback()
    for one in (first, second):
        one.__exit__(None, None, None)
    assert answers[0] == answers[1] and len(redemptions()) == 1
    assert ask() == answers[0][0]  # and once more, long after
    assert broken() == []


def test_same_request_after_a_lock_was_not_had(app: Any, world: World) -> None:
    """Busy is an answer, too: nothing was done, and the same request goes through later."""
    mine = coupon(world)
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("SELECT FROM coupon WHERE coupon_id = %s FOR UPDATE", (mine.coupon_id,))
        with pytest.raises(Busy):
            use(world, mine.code, order_no="O1", value=KEY)
    assert redemptions() == []
    assert use(world, mine.code, order_no="O1", value=KEY).coupon_id == mine.coupon_id
    assert broken() == []


def test_twin_same_request_twice_after_a_time_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The effect committed first and the promise after it: whoever dies in between has used the coupon for nothing."""
    mine = coupon(world)
    fetch = hot.fetch_one

    def die_before_the_promise(statement: str, parameters: Any) -> Any:
        found = fetch(statement, parameters)
        if statement == module_statement:
            raise Busy(retry_after=1)
        return found

    redeem_module = module("app.coupons.commands.redeem")
    promise = f", promised AS ({module(PARTS).key('used')})"
    module_statement = redeem_module.REDEEM.replace(promise, "")
    assert module_statement != redeem_module.REDEEM
    monkeypatch.setattr(redeem_module, "REDEEM", module_statement)
    monkeypatch.setattr(hot, "fetch_one", die_before_the_promise)
    with pytest.raises(Busy):
        use(world, mine.code, order_no="O1", value=KEY)
    monkeypatch.setattr(hot, "fetch_one", fetch)
    with pytest.raises(SiyuError, match="redeemed already"):
        use(world, mine.code, order_no="O1", value=KEY)


def test_same_request_with_a_changed_body(app: Any, world: World) -> None:
    """One key for twelve coupons at once: one of them is served, the others are told that the key was used."""
    coupons = [coupon(world) for _ in range(12)]
    results = at_once(app, [lambda one=one: use(world, one.code, order_no="O1", value=KEY) for one in coupons])
    assert len(won(results)) == 1
    assert Counter(one for one in results if isinstance(one, str)) == {"idempotency_key_reused": 11}
    assert sum(fresh(world, one.member_id, one.coupon_id).status == "redeemed" for one in coupons) == 1
    assert broken() == []


def test_twin_same_request_with_a_changed_body(app: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the digest of the body a till is told that a coupon was redeemed which was not."""
    promised = module(PARTS)._promised

    def whatever_the_body(used: commands.Key) -> Any:
        row = hot.fetch_one(
            "SELECT request_hash FROM idempotency_key WHERE scope = %(scope)s AND key = %(key)s",
            {"scope": used.scope, "key": used.key},
        )
        return promised(used if row is None else used._replace(digest=bytes(row[0])))

    monkeypatch.setattr(module(PARTS), "_promised", whatever_the_body)
    coupons = [coupon(world) for _ in range(12)]
    results = at_once(app, [lambda one=one: use(world, one.code, order_no="O1", value=KEY) for one in coupons])
    assert len(won(results)) == 12 and len(redemptions()) == 1


def _read_before_the_last_went(world: World) -> Any:
    """Two requests with one key: the second was read before the first took the last coupon, and goes on after others
    heard that none is left.
    """
    campaign_id, member_id = campaign(world, quota=1), ids.new_id()
    read = Asked(time.monotonic())
    first = claim(world, campaign_id, member_id, value=KEY)
    with pytest.raises(SoldOut):
        claim(world, campaign_id)
    assert claim(world, campaign_id, member_id, value=KEY, asked=read) == first


def test_a_request_that_was_read_before_the_last_coupon_went(world: World) -> None:
    _read_before_the_last_went(world)
    assert broken() == []


def test_twin_a_request_that_was_read_before_the_last_coupon_went(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the order of the two looks it is told that there is none, while it has one."""
    monkeypatch.setattr(sold_out, "seen", lambda campaign_id, *, before: campaign_id in sold_out._seen)
    with pytest.raises(SoldOut):
        _read_before_the_last_went(world)
