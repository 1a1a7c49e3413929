"""The main job, step by step. One customer, one guide, one till, HQ; everything over HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .clients import Guide, Hq, Shopper, Tencent, Till
from .stage import Failed, Stage, expect, same, until

BASKET = [
    {"line_no": 1, "sku": "QH2001", "name": "down jacket", "category": "coat", "quantity": 1, "amount_fen": 89900},
    {"line_no": 2, "sku": "QH5001", "name": "scarf", "category": "accessory", "quantity": 1, "amount_fen": 19900},
]
TOTAL = sum(line["amount_fen"] for line in BASKET)
WELCOME_SECONDS = 20
NAMES: dict[str, Any] = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))


def _nothing() -> None:
    """What happens in the middle of an act when nobody breaks anything."""


@dataclass
class Tale:
    """One telling. The acts take a callable for their middle, for those who want to break something there."""

    described: dict[str, Any]
    stage: Stage = field(default_factory=Stage)
    mark: str = field(default_factory=lambda: secrets.token_hex(4))
    guide_userid: str = "g0001"

    def __post_init__(self) -> None:
        self.tencent = Tencent(self.described)
        self.till, self.hq = Till(self.described), Hq(self.described)
        self.guide = Guide(self.described, self.tencent, self.guide_userid)
        self.customer = f"story-{self.mark}"
        self.shopper = Shopper(self.described, self.tencent, self.customer)
        self.phone = f"137{secrets.randbelow(10**8):08d}"
        self.card, self.member, self.number, self.external = f"ST{self.mark}", "", "", ""
        self.task: dict[str, Any] = {}
        self.coupon: dict[str, Any] = {}
        self.redemption: dict[str, Any] = {}
        self.correlation = ""
        self.before: dict[str, Any] = {}

    def step(self, name: str) -> Any:
        return self.stage.step(name)

    def arrive(self, *, after_adding: Callable[[], None] = _nothing) -> None:
        """Till history, the customer adds the guide, the welcome, the login, the binding."""
        with self.step("hq: logs in and reads today"):
            expect(self.hq.login())
            self.before = expect(self.hq.call("GET", "/today"))
        with self.step("till: imports a store card that has history"):
            card = {"card_no": self.card, "phone": self.phone, "name": NAMES["card_holder"], "store": "S001",
                    "opened_at": _ago(days=200)}  # fmt: skip
            made = expect(self.till.call("POST", "/members", card))
            self.member, self.number = made["member"], made["number"]
            old = self.order(
                "H", [{**BASKET[1], "discount_fen": 0}], paid_at=_ago(days=100), member={"card_no": self.card}
            )
            same(expect(self.till.call("POST", "/orders", old))["growth"], 199, "growth of the imported order")
        with self.step("tencent: five customers add the guide in the same second"):
            for n in range(5):
                phone = self.phone if n == 0 else None
                row = {"id": self.customer + (f"-{n}" if n else ""), "name": NAMES["customers"][n], "phone": phone}
                self.tencent.control("POST", "/customers", **row)
            names = [self.customer, *(f"{self.customer}-{n}" for n in range(1, 5))]
            added = self.tencent.control("POST", "/contacts", staff=self.guide_userid, customers=names)["contacts"]
            self.external = added[0]["external_userid"]
            self.added = {one["external_userid"] for one in added}
            same(len({one["createtime"] for one in added}), 1, "seconds of the five events")
            self.tencent.control("POST", "/callbacks/wait", seconds=20)
        after_adding()
        with self.step("worker: five welcome messages within 20 s, one each"):
            rows = until("five welcome messages", self._welcomed, WELCOME_SECONDS + 5)
            slowest = max(row["content"]["seconds"] for row in rows)
            if slowest > WELCOME_SECONDS:
                raise Failed(f"the slowest welcome took {slowest} s")
        with self.step("shopper: logs in by code, no membership yet"):
            same(expect(self.shopper.login())["bound"], False, "bound before the phone")
        with self.step("shopper: binds the phone and IS the store card's member"):
            bound = expect(self.shopper.call("POST", "/phone", {"code": self.shopper.code("phone")}))
            same((bound["id"], bound["number"]), (self.member, self.number), "member")
            me = expect(self.shopper.call("GET", "/me"))
            same((me["bound"], me["growth"], me["tier"]["code"]), (True, 199, "member"), "bound, growth, tier")

    def _welcomed(self) -> list[dict[str, Any]] | None:
        rows = self.tencent.control("GET", f"/sent?kind=welcome&sender={self.guide_userid}&limit=2000")["rows"]
        mine = [row for row in rows if row["to"] in self.added]
        if len(mine) > len(self.added):
            raise Failed("a customer was welcomed twice")
        return mine if len(mine) == len(self.added) else None

    def serve(self, *, after_completing: Callable[[], None] = _nothing) -> None:
        """The SOP's task, the sidebar, the material, the coupon."""
        with self.step("guide: opens the sidebar through WeCom's OAuth"):
            page = self.guide.open()
            expect(page)
            same(page.url.startswith(f"{self.described['web_url']}/sidebar/home"), True, "where the OAuth ended")
            same(expect(self.guide.call("GET", "/me"))["userid"], self.guide_userid, "guide")
        with self.step("guide: the SOP's task is there"):
            self.task = until("the task", self._task)
        with self.step("guide: was told of it in WeCom"):
            until("the notice", lambda: self.tencent.control("GET", f"/sent?kind=app&to={self.guide_userid}")["rows"])
        with self.step("guide: sees who the customer is"):
            seen = expect(self.guide.call("GET", f"/customers/{self.external}"))
            if self.phone in str(seen):
                raise Failed("the phone number is shown in plain")
        with self.step("guide: a customer of somebody else is not there"):
            expect(self.guide.call("GET", "/customers/wmNobodyKnowsThisOne"), 404)
        with self.step("guide: opens the task with its material"):
            detail = expect(self.guide.call("GET", f"/tasks/{self.task['id']}"))
            if not (detail["material"] and detail["coupon"] and detail["customer"]):
                raise Failed(f"material, coupon or customer is missing: {detail}")
            promised = detail["coupon"]["id"]
        with self.step("guide: sends it and completes the task; twice changes nothing"):
            evidence = {"kind": "sidebar_send", "msgtype": "miniprogram", "external_userid": self.external}
            done = [expect(self.guide.call("POST", f"/tasks/{self.task['id']}/complete", {"evidence": evidence}))
                    for _ in range(2)]  # fmt: skip
            same([one["new"] for one in done], [True, False], "new")
        after_completing()
        with self.step("worker: the step's coupon is in the shopper's wallet"):
            self.coupon = until("the coupon", lambda: self._coupons(campaign=promised))[0]

    def _task(self) -> dict[str, Any] | None:
        found = expect(self.guide.call("GET", "/tasks?limit=100"))["items"]
        mine: list[dict[str, Any]] = [task for task in found if task["member_id"] == self.member]
        return mine[0] if mine else None

    def _coupons(self, **like: str) -> list[dict[str, Any]]:
        """The shopper's coupons with these values."""
        found = expect(self.shopper.call("GET", "/coupons"))["items"]
        return [one for one in found if all(one[name] == value for name, value in like.items())]

    def buy(self, *, after_paying: Callable[[], None] = _nothing) -> None:
        """The rotating code, the till, the order, the upgrade and its benefit."""
        order_no, key = f"T{self.mark}", secrets.token_hex(12)
        with self.step("shopper: shows the rotating code"):
            code = expect(self.shopper.call("GET", f"/coupons/{self.coupon['id']}/code"))["code"]
        body = {"code": code, "order_no": order_no, "store": "S001", "lines": _basket()}
        with self.step("till: asks what it would take off"):
            quote = expect(self.till.call("POST", "/redemptions/validate", body))
            same((quote["usable"], quote["discount_fen"]), (True, 3000), "quote")
        with self.step("till: redeems it"):
            self.redemption = expect(self.till.call("POST", "/redemptions", body, key=key))
            same(sum(line["discount_fen"] for line in self.redemption["lines"]), 3000, "discount over the lines")
        with self.step("till: the same request again gets the same answer"):
            same(expect(self.till.call("POST", "/redemptions", body, key=key)), self.redemption, "answer")
        with self.step("till: the same key with another body is refused"):
            expect(
                self.till.call("POST", "/redemptions", {**body, "order_no": "X1"}, key=key),
                409,
                "idempotency_key_reused",
            )
        with self.step("till: a second redemption is refused"):
            other = {**body, "order_no": f"U{self.mark}"}
            if self.till.call("POST", "/redemptions", other).status_code != 409:
                raise Failed("a coupon was redeemed twice")
        with self.step("till: the order earns, the member is upgraded"):
            shares = {line["line_no"]: line["discount_fen"] for line in self.redemption["lines"]}
            lines = [{**line, "discount_fen": shares.get(line["line_no"], 0)} for line in BASKET]
            order = self.order("T", lines, redemptions=[self.redemption["redemption"]])
            paid = self.till.call("POST", "/orders", order)
            self.correlation = paid.headers["X-Correlation-Id"]
            found = expect(paid)
            same((found["growth"], found["tier"]["code"], found["upgraded"]), (1068, "silver", True), "growth, tier")
            again = expect(self.till.call("POST", "/orders", order))
            same((again["order"], again["new"]), (found["order"], False), "the same order uploaded again")
        after_paying()
        with self.step("worker: the tier's benefit coupon arrives"):
            same(len(until("the benefit", lambda: self._coupons(source="tier"))), 1, "benefit coupons")
        with self.step("shopper: sees tier, points and growth"):
            me = expect(self.shopper.call("GET", "/me"))
            same((me["growth"], me["points"], me["tier"]["code"]), (1267, 1267, "silver"), "growth, points, tier")

    def order(
        self,
        prefix: str,
        lines: list[dict[str, Any]],
        *,
        paid_at: str | None = None,
        member: dict[str, str] | None = None,
        redemptions: list[str] | None = None,
    ) -> dict[str, Any]:
        """An order as a till uploads it."""
        return {
            "order_no": f"{prefix}{self.mark}",
            "store": "S001",
            "member": member or {"number": self.number},
            "guide": self.guide_userid,
            "paid_at": paid_at or _ago(days=0),
            "lines": [{**line, "unit_fen": line["amount_fen"] // line["quantity"]} for line in lines],
            "redemptions": redemptions or [],
        }

    def look(self) -> None:
        """HQ sees it, and the trace tells it."""
        with self.step("hq: today has moved"):
            after = expect(self.hq.call("GET", "/today"))
            for name, least in (("new_members", 0), ("customers_added", 5), ("coupons_redeemed", 1), ("tasks_done", 1)):
                if after[name]["today"] < self.before[name]["today"] + least:
                    raise Failed(f"{name} went from {self.before[name]} to {after[name]}")
            earned = after["sales_fen"]["today"] - self.before["sales_fen"]["today"]
            if earned < TOTAL - 3000:
                raise Failed(f"sales rose by {earned} fen only")
        with self.step("hq: finds the member by number, phone masked"):
            found = expect(self.hq.call("GET", f"/members?q={self.number}"))["items"]
            same([one["id"] for one in found], [self.member], "members found")
            if self.phone in str(found):
                raise Failed("the phone number is shown in plain")
        with self.step("hq: one correlation id tells the whole journey"):
            told = str(expect(self.hq.call("GET", f"/trace/{self.correlation}")))
            for word in TOLD:
                if word not in told:
                    raise Failed(f"the trace does not tell of {word}")

    def tell(self) -> Tale:
        """All of it, in order."""
        for act in (self.arrive, self.serve, self.buy, self.look):
            act()
        return self


# What the journey of one customer must hold, from the callback to the benefit.
TOLD = (
    "add_external_contact",
    "channels.customer_added",
    "welcome",
    "identity.merged",
    "members.bound",
    "sop.task_created",
    "sop.task_completed",
    "coupons.issued",
    "coupons.redeemed",
    "sales.order_paid",
    "tiers.upgraded",
)


def _basket() -> list[dict[str, Any]]:
    names = ("line_no", "sku", "category", "quantity", "amount_fen")
    return [{name: line[name] for name in names} for line in BASKET]


def _ago(*, days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
