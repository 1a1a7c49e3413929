"""Saturday launch: stores open, shoppers scan guides' codes, some leave, most become members and buy."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.wechat.simulator.clients import Product, ProductError, Shopper, Till, TillAccess
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.rows import Customer
from app.wechat.simulator.errors import ControlError
from app.wechat.simulator.scenarios.player import Player

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = [
    "雨桐",
    "梓涵",
    "欣怡",
    "思远",
    "佳宁",
    "晓曼",
    "静怡",
    "若曦",
    "子墨",
    "浩然",
    "嘉琪",
    "语嫣",
    "明轩",
    "雅婷",
    "诗涵",
]


@dataclass
class Launch:
    """Shares are of the shoppers who scanned; `speed` divides every waiting time between a shopper's steps."""

    scans_per_hour: float = 2000
    seconds: float = 3600  # how long it plays; 0 = until it is stopped
    newcomers: float = 0.7  # share of scans by people the simulator has not seen before
    unfollow: float = 0.03
    login: float = 0.6
    bind_phone: float = 0.8  # of those who logged in
    claim: float = 0.7  # of those who bound
    buy: float = 0.5  # of those who bound
    speed: float = 1.0
    seed: int = 20


class Saturday(Player):
    """One launch against one product. Without a product's URL customers only scan and leave."""

    name = "saturday"

    def __init__(self, engine: Engine, product_url: str, options: Launch) -> None:
        super().__init__(options.speed)
        self.engine, self.options = engine, options
        self.product = Product(product_url) if product_url else None
        access = engine.world.value("till")
        self.till = Till(self.product, TillAccess(**access)) if self.product and access else None
        # A second launch in the same world has other shoppers: one phone number must not belong to two people.
        self._number = engine.world.sequence()
        self.random = random.Random(f"{options.seed}|{self._number}")

    def start(self) -> None:
        with self.engine.world.lock:
            corp_id = self.engine.directory.default_corp()
            if not any(s.corp_id == corp_id and s.status == 1 for s in self.engine.world.staff):
                raise ControlError("no staff to be scanned", 409)
        self.later(0.0, self._next_scan, 0)
        self.play()

    # --- the play ----------------------------------------------------------------------------------------------

    def _next_scan(self, number: int) -> None:
        options = self.options
        gap = 3600 / options.scans_per_hour
        # Each scan is planned from the start, so that a slow moment does not lower the rate.
        after = (number + 1) * gap
        if not options.seconds or after < options.seconds:
            self.later(max(0.0, self.started_at + after - time.time()), self._next_scan, number + 1)
        self._scan(number)

    def _scan(self, number: int) -> None:
        world, chance, options = self.engine.world, self.random, self.options
        with world.lock:
            customer = self._shopper(number)
            corp_id = self.engine.directory.default_corp()
            ways = [w for w in world.ways if w.corp_id == corp_id]
            state: str | None = None
            if ways:
                way = chance.choice(ways)
                userid, state = self.engine.ways.member_of(way), way.state or None
            else:
                staff = [s for s in world.staff if s.corp_id == corp_id and s.status == 1 and s.can_contact]
                userid = chance.choice(staff).userid
            self.engine.contacts.add(corp_id, userid, [customer], state=state)
            leaves, logs_in = chance.random() < options.unfollow, chance.random() < options.login
            wait = chance.uniform(5, 60)
        self.count("扫码")
        if leaves:
            self.pause(wait * 5, self._unfollow, corp_id, userid, customer)
        if logs_in and self.product is not None and customer.openids:
            self.pause(wait, self._login, customer, self._store_of(corp_id, userid))

    def _shopper(self, number: int) -> Customer:
        world, chance = self.engine.world, self.random
        if chance.random() >= self.options.newcomers and len(world.customers):
            return world.customers.rows[chance.choice(list(world.customers.rows))]
        name = chance.choice(SURNAMES) + chance.choice(GIVEN)
        phone = "1" + chance.choice("3589") + "".join(chance.choices("0123456789", k=9))
        row = {
            "id": f"walkin-{self._number}-{number}",
            "name": name,
            "gender": chance.choice((1, 2, 2)),
            "phone": phone,
        }
        return self.engine.directory.put_customer(row)

    def _unfollow(self, corp_id: str, userid: str, customer: Customer) -> None:
        self.engine.contacts.unfollow(corp_id, userid, customer)
        self.count("取消关注")

    def _store_of(self, corp_id: str, userid: str) -> str | None:
        """The code of the store the member works in, when the till knows it."""
        if self.till is None:
            return None
        departments = self.engine.world.staff.rows[f"{corp_id}|{userid}"].departments
        return next((self.till.access.stores[str(d)] for d in departments if str(d) in self.till.access.stores), None)

    def _login(self, customer: Customer, store: str | None) -> None:
        assert self.product is not None
        appid = next(iter(customer.openids))
        shopper = Shopper(self.product, appid)
        shopper.login(self.engine.codes.login(customer, appid))
        self.count("登录小程序")
        if customer.phone and self.random.random() < self.options.bind_phone:
            self.pause(self.random.uniform(5, 20), self._bind, customer, store, shopper)

    def _bind(self, customer: Customer, store: str | None, shopper: Shopper) -> None:
        shopper.bind_phone(self.engine.codes.phone(customer, shopper.appid))
        self.count("绑定手机号")
        if self.random.random() < self.options.claim:
            self.pause(self.random.uniform(5, 40), self._claim, shopper)
        if self.till is not None and store is not None and self.random.random() < self.options.buy:
            self.pause(self.random.uniform(60, 600), self._buy, store, shopper)

    def _claim(self, shopper: Shopper) -> None:
        open_campaigns = shopper.campaigns()
        if open_campaigns:
            shopper.claim(self.random.choice(open_campaigns))
            self.count("领券")

    def _buy(self, store: str, shopper: Shopper) -> None:
        """A basket of one to three things, with a coupon when one fits."""
        assert self.till is not None
        order_no = f"SAT{int(self.started_at * 1000)}-{next(self.order)}"
        lines = [self._line(number) for number in range(1, self.random.choice((2, 2, 3, 4)))]
        redemptions = []
        wallet = shopper.coupons()
        if wallet:
            try:
                code = shopper.show(self.random.choice(wallet))
                redeemed = self.till.redeem(code=code, order_no=order_no, store=store, lines=lines)
            except ProductError as error:
                self.count(f"券未用上 {error.code}")
            else:
                redemptions.append(redeemed["redemption"])
                off = {line["line_no"]: line["discount_fen"] for line in redeemed["lines"]}
                lines = [line | {"discount_fen": off.get(line["line_no"], 0)} for line in lines]
                self.count("核销")
        number = shopper.me()["member"]["number"]
        paid_at = datetime.now(UTC).isoformat()
        self.till.order(
            {
                "order_no": order_no,
                "store": store,
                "member": {"number": number},
                "paid_at": paid_at,
                "lines": lines,
                "redemptions": redemptions,
            }
        )
        self.count("下单")

    def _line(self, number: int) -> dict[str, Any]:
        assert self.till is not None
        sku, name, category, unit_fen = self.random.choice(self.till.access.products)
        quantity = self.random.choice((1, 1, 1, 2))
        return {
            "line_no": number,
            "sku": sku,
            "name": name,
            "category": category,
            "quantity": quantity,
            "unit_fen": unit_fen,
            "amount_fen": unit_fen * quantity,
            "discount_fen": 0,
        }
