"""64 tills redeem one coupon at once, each for an order of its own: exactly one may win."""

from __future__ import annotations

import collections
import secrets
import threading
from typing import Any

from tests.story.clients import Shopper, Tencent, Till
from tests.story.stage import Failed, Stage, expect

TILLS = 64


def play(stage: Stage, described: dict[str, Any]) -> None:
    with stage.step("a member claims a coupon"):
        shopper = _member(described)
        campaign = expect(shopper.call("GET", "/campaigns"))["items"][0]["id"]
        key = {"Idempotency-Key": secrets.token_hex(12)}
        coupon = expect(shopper.call("POST", f"/campaigns/{campaign}/claim", {}, **key))["id"]
    with stage.step(f"{TILLS} tills redeem it at once for different orders: exactly one wins"):
        code = expect(shopper.call("GET", f"/coupons/{coupon}/code"))["code"]
        answers = _at_once(described, code)
        won = answers.pop(200, 0)
        if won != 1 or not set(answers) <= {409, 503}:
            raise Failed(f"{won} won; the others were answered {dict(answers)}")


def _member(described: dict[str, Any]) -> Shopper:
    mark = secrets.token_hex(4)
    tencent = Tencent(described)
    phone = f"135{secrets.randbelow(10**8):08d}"
    tencent.control("POST", "/customers", id=f"race-{mark}", name="Racer", phone=phone)
    shopper = Shopper(described, tencent, f"race-{mark}")
    expect(shopper.login())
    expect(shopper.call("POST", "/phone", {"code": shopper.code("phone")}))
    return shopper


def _at_once(described: dict[str, Any], code: str) -> collections.Counter[int]:
    answers: list[int] = []
    ready = threading.Barrier(TILLS)
    lines = [{"line_no": 1, "sku": "QH2002", "category": "coat", "quantity": 1, "amount_fen": 159900}]

    def redeem(number: int) -> None:
        till, order_no = Till(described), f"RACE{secrets.token_hex(4)}{number}"
        ready.wait()
        body = {"code": code, "order_no": order_no, "store": "S001", "lines": lines}
        answers.append(till.call("POST", "/redemptions", body).status_code)

    threads = [threading.Thread(target=redeem, args=(number,)) for number in range(TILLS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return collections.Counter(answers)
