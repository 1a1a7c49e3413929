"""The simulated world: plain rows in tables that remember what changed, so that a store can save just that.

Every read and write happens under `World.lock`; the topic classes beside this module
take it in their public methods, so that one HTTP request or one control call is one atomic step.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from app.wechat.simulator.engine.rows import (
    App,
    Chat,
    Code,
    ContactWay,
    Corp,
    Customer,
    Department,
    Follow,
    MassMessage,
    Media,
    Meta,
    MiniProgram,
    PayBrand,
    PayCoupon,
    PayStock,
    Pending,
    Sent,
    Staff,
    TagGroup,
    Target,
    Token,
    Transfer,
)

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS = bytes(_BASE62[byte % 62] for byte in range(256))


def derive(length: int, *parts: object) -> str:
    """A stable identifier of `length` base-62 characters made from `parts`."""
    text = "|".join(map(str, parts)).encode()
    digest = hashlib.sha512(text).digest()
    while len(digest) < length:
        digest += hashlib.sha512(digest + text).digest()
    return digest[:length].translate(_LETTERS).decode()


Row = TypeVar("Row")


class Table(Generic[Row]):
    """Rows by string key. `touch` after changing a row in place."""

    def __init__(self, name: str, row_type: type[Row]) -> None:
        self.name, self.row_type = name, row_type
        self.rows: dict[str, Row] = {}
        self.dirty: set[str] = set()

    def get(self, key: str) -> Row | None:
        return self.rows.get(key)

    def put(self, key: str, row: Row) -> Row:
        self.rows[key] = row
        self.dirty.add(key)
        return row

    def touch(self, key: str) -> None:
        self.dirty.add(key)

    def drop(self, key: str) -> None:
        if self.rows.pop(key, None) is not None:
            self.dirty.add(key)

    def clear(self) -> None:
        self.dirty.update(self.rows)
        self.rows.clear()

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows.values())

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, key: str) -> bool:
        return key in self.rows


class World:
    """All tables, the clock, the seeded randomness and the way events leave."""

    def __init__(self, *, seed: int = 7, clock: Callable[[], float] = time.time) -> None:
        self.lock = threading.RLock()
        self.seed = seed
        self.random = random.Random(seed)
        self._clock = clock
        self.corps = Table("corp", Corp)
        self.apps = Table("app", App)
        self.minis = Table("mini", MiniProgram)
        self.targets = Table("target", Target)
        self.departments = Table("department", Department)
        self.staff = Table("staff", Staff)
        self.customers = Table("customer", Customer)
        self.follows = Table("follow", Follow)
        self.chats = Table("chat", Chat)
        self.pendings = Table("pending", Pending)
        self.tag_groups = Table("tag_group", TagGroup)
        self.ways = Table("way", ContactWay)
        self.tokens = Table("token", Token)
        self.codes = Table("code", Code)
        self.sent = Table("sent", Sent)
        self.mass = Table("mass", MassMessage)
        self.transfers = Table("transfer", Transfer)
        self.media = Table("media", Media)
        self.pay_brands = Table("pay_brand", PayBrand)
        self.pay_stocks = Table("pay_stock", PayStock)
        self.pay_coupons = Table("pay_coupon", PayCoupon)
        self.meta = Table("meta", Meta)
        self.tables: list[Table[Any]] = [value for value in vars(self).values() if isinstance(value, Table)]
        self.on_event: Callable[[str, dict[str, Any]], None] = lambda receiver, fields: None
        self.reindex()

    def reindex(self) -> None:
        """Rebuild the lookups that are not stored."""
        self.follows_by_staff: dict[str, dict[str, Follow]] = {}
        self.follows_by_contact: dict[str, dict[str, Follow]] = {}
        self.customer_by_external: dict[str, str] = {}
        self.customer_by_openid: dict[str, str] = {}
        for customer in self.customers:
            self.index_customer(customer)
        for follow in self.follows:
            self.index_follow(follow)

    def index_customer(self, customer: Customer) -> None:
        for corp_id, external in customer.external_userids.items():
            self.customer_by_external[f"{corp_id}|{external}"] = customer.id
        for appid, openid in customer.openids.items():
            self.customer_by_openid[f"{appid}|{openid}"] = customer.id

    def index_follow(self, follow: Follow) -> None:
        staff_key = f"{follow.corp_id}|{follow.userid}"
        contact_key = f"{follow.corp_id}|{follow.external_userid}"
        self.follows_by_staff.setdefault(staff_key, {})[follow.external_userid] = follow
        self.follows_by_contact.setdefault(contact_key, {})[follow.userid] = follow

    def drop_follow(self, follow: Follow) -> None:
        self.follows.drop(f"{follow.corp_id}|{follow.userid}|{follow.external_userid}")
        self.follows_by_staff[f"{follow.corp_id}|{follow.userid}"].pop(follow.external_userid, None)
        self.follows_by_contact[f"{follow.corp_id}|{follow.external_userid}"].pop(follow.userid, None)

    def now(self) -> float:
        """Simulated epoch seconds: the real clock plus whatever the control API advanced."""
        return self._clock() + float(self.value("clock_offset", 0.0))

    def advance(self, seconds: float) -> None:
        with self.lock:
            self.set_value("clock_offset", float(self.value("clock_offset", 0.0)) + seconds)

    def value(self, key: str, default: Any = None) -> Any:
        row = self.meta.get(key)
        return default if row is None else row.value

    def set_value(self, key: str, value: Any) -> None:
        self.meta.put(key, Meta(key, value))

    def sequence(self) -> int:
        with self.lock:
            number = int(self.value("sequence", 0)) + 1
            self.set_value("sequence", number)
            return number

    def make_id(self, kind: str, length: int = 32) -> str:
        """A new identifier, different on every call, the same in every run with the same seed and calls."""
        return derive(length, self.seed, kind, self.sequence())

    def emit(self, receiver: str, fields: dict[str, Any]) -> None:
        """Hand one callback's plaintext fields to whoever delivers callbacks."""
        self.on_event(receiver, fields)
