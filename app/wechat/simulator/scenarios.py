"""Stories that play by themselves. "Saturday launch": stores open, shoppers scan, some leave, most become members."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import structlog

from app.wechat.simulator.clients import Product, ProductError, Shopper
from app.wechat.simulator.engine import Engine
from app.wechat.simulator.engine.rows import Customer
from app.wechat.simulator.errors import ControlError

log = structlog.get_logger(__name__)
THREADS = 8
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
    minutes: float = 60  # how long it plays; 0 = until it is stopped
    newcomers: float = 0.7  # share of scans by people the simulator has not seen before
    unfollow: float = 0.03
    login: float = 0.6
    bind_phone: float = 0.8  # of those who logged in
    speed: float = 1.0
    seed: int = 20


class Scenario:
    """Runs one launch in the background: a heap of due steps and a few threads that take them."""

    def __init__(self, engine: Engine, product_url: str, options: Launch) -> None:
        self.engine, self.options = engine, options
        self.product = Product(product_url) if product_url else None
        self.steps: Counter[str] = Counter()
        self.random = random.Random(options.seed)
        self.started_at = time.time()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._stopping = False
        self._busy = 0
        self._run = int(self.started_at * 1000)
        self._thread = threading.Thread(target=self._play, name="scenario", daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive() and not self._stopping

    def start(self) -> None:
        with self.engine.world.lock:
            corp_id = self.engine.directory.default_corp()
            if not any(s.corp_id == corp_id and s.status == 1 for s in self.engine.world.staff):
                raise ControlError("no staff to be scanned", 409)
        self._later(0.0, self._next_scan, 0)
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def describe(self) -> dict[str, Any]:
        return {
            "name": "saturday",
            "running": self.running,
            "seconds": round(time.time() - self.started_at),
            "steps": dict(self.steps),
            "waiting": len(self._due),
        }

    # --- the play ----------------------------------------------------------------------------------------------

    def _next_scan(self, number: int) -> None:
        options = self.options
        gap = 3600 / options.scans_per_hour
        # Each scan is planned from the start, so that a slow moment does not lower the rate.
        after = (number + 1) * gap
        if not options.minutes or after < options.minutes * 60:
            self._later(max(0.0, self.started_at + after - time.time()), self._next_scan, number + 1)
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
        self._count("扫码")
        if leaves:
            self._pause(wait * 5, self._unfollow, corp_id, userid, customer)
        if logs_in and self.product is not None and customer.openids:
            self._pause(wait, self._login, customer)

    def _shopper(self, number: int) -> Customer:
        world, chance = self.engine.world, self.random
        if chance.random() >= self.options.newcomers and len(world.customers):
            return world.customers.rows[chance.choice(list(world.customers.rows))]
        name = chance.choice(SURNAMES) + chance.choice(GIVEN)
        phone = "1" + chance.choice("3589") + "".join(chance.choices("0123456789", k=9))
        row = {"id": f"walkin-{self._run}-{number}", "name": name, "gender": chance.choice((1, 2, 2)), "phone": phone}
        return self.engine.directory.put_customer(row)

    def _unfollow(self, corp_id: str, userid: str, customer: Customer) -> None:
        self.engine.contacts.unfollow(corp_id, userid, customer)
        self._count("取消关注")

    def _login(self, customer: Customer) -> None:
        assert self.product is not None
        appid = next(iter(customer.openids))
        shopper = Shopper(self.product, appid)
        shopper.login(self.engine.codes.login(customer, appid))
        self._count("登录小程序")
        if customer.phone and self.random.random() < self.options.bind_phone:
            self._pause(self.random.uniform(5, 20), self._bind, customer, shopper)

    def _bind(self, customer: Customer, shopper: Shopper) -> None:
        shopper.bind_phone(self.engine.codes.phone(customer, shopper.appid))
        self._count("绑定手机号")

    # --- machinery ---------------------------------------------------------------------------------------------

    def _count(self, step: str) -> None:
        with self._wake:
            self.steps[step] += 1

    def _pause(self, seconds: float, step: Callable[..., None], *arguments: Any) -> None:
        self._later(seconds / self.options.speed, step, *arguments)

    def _later(self, seconds: float, step: Callable[..., None], *arguments: Any) -> None:
        with self._wake:
            heapq.heappush(self._due, (time.time() + seconds, next(self._order), lambda: step(*arguments)))
            self._wake.notify()

    def _play(self) -> None:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="scenario") as pool:
            while True:
                with self._wake:
                    self._wake.wait_for(self._has_something_to_do, timeout=self._seconds_to_next())
                    if self._stopping or (not self._due and not self._busy):
                        return
                    if not self._due or self._due[0][0] > time.time() or self._busy >= 8 * THREADS:
                        continue
                    step = heapq.heappop(self._due)[2]
                    self._busy += 1
                pool.submit(self._take, step)

    def _has_something_to_do(self) -> bool:
        due = bool(self._due) and self._due[0][0] <= time.time() and self._busy < 8 * THREADS
        return self._stopping or due or (not self._due and not self._busy)

    def _seconds_to_next(self) -> float:
        return max(0.001, self._due[0][0] - time.time()) if self._due and self._busy < 8 * THREADS else 1.0

    def _take(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ProductError as error:
            self._count(f"产品拒绝 {error.code}")
        except ControlError:
            self._count("跳过")  # such as an unfollow of somebody who was deleted meanwhile
        except Exception:
            self._count("出错")
            log.exception("scenario_step_failed")
        finally:
            with self._wake:
                self._busy -= 1
                self._wake.notify()


def start(engine: Engine, product_url: str, values: dict[str, Any]) -> Scenario:
    """`values` is {name: "saturday", **Launch fields}."""
    values = dict(values)
    if values.pop("name", "saturday") != "saturday":
        raise ControlError("the only scenario is saturday")
    unknown = set(values) - {f.name for f in fields(Launch)}
    if unknown:
        raise ControlError(f"unknown scenario fields: {', '.join(sorted(unknown))}")
    options = Launch(**values)
    if options.scans_per_hour <= 0 or options.speed <= 0:
        raise ControlError("scans_per_hour and speed must be above zero")
    scenario = Scenario(engine, product_url, options)
    scenario.start()
    return scenario
