"""Lives as rows, into PostgreSQL by COPY inside the open transaction: all of the demonstration, or none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from sqlalchemy import text

from app.channels.rules import CONTACT_CONTEXT
from app.core import crypto
from app.core.db import db, session
from app.coupons import codes
from app.coupons import rules as coupon_rules
from app.flows.till_member import card_identity
from app.identity.rules import SEAL_CONTEXT, mobile
from app.members.rules import NAME_CONTEXT, number_from
from app.points import rules as points_rules

from .lives import Bought, Ground, Life
from .organisation import FIRST_NUMBER, Founded, plan

CHUNK = 1000
CORRELATION = "demo-seed"
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
# Triggers that would look at each of a million rows; the invariants look at all of them afterwards, at once.
_QUIET = ("journal", "posting", "coupon_event")


class Loader:
    """Turns lives into rows of every table they touch."""

    def __init__(self, founded: Founded, ground: Ground) -> None:
        self._founded, self._ground = founded, ground
        self._brand = founded.brand.id
        self._corp, self._appid = plan()["wecom"]["corp_id"], plan()["miniprogram"]["appid"]
        self._userids = {guide.id: guide.userid for guides in founded.guides.values() for guide in guides}
        self._campaigns = [founded.campaigns[row["code"]][0] for row in plan()["campaigns"] if row["claimable"]]
        self._serial = 0
        self._issued: dict[int, int] = {}
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._lots: list[list[Any]] = []  # of the member at hand: id, journal, earned, remaining, end

    def load(self, lives: Iterable[Life]) -> Iterator[int]:
        """Write all lives; yields how many members each chunk held."""
        raw = session.connection().connection.driver_connection
        assert raw is not None
        for table in _QUIET:
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        remaining = iter(lives)
        while chunk := list(islice(remaining, CHUNK)):
            self._rows = {}
            for life in chunk:
                self._lots = []
                self._member(life)
            with raw.cursor() as cursor:
                for table in (t.name for t in db.metadata.sorted_tables if t.name in self._rows):
                    columns = ", ".join(_COLUMNS[table].split())
                    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                        for row in self._rows[table]:
                            copy.write_row(row)
            yield len(chunk)
        for campaign_id, issued in self._issued.items():
            session.execute(
                text(
                    "UPDATE campaign_stock"
                    " SET issued = :issued / 16 + (CASE WHEN stripe < :issued % 16 THEN 1 ELSE 0 END)"
                    " WHERE campaign_id = :campaign_id"
                ),
                {"issued": issued, "campaign_id": campaign_id},
            )
        for table in _QUIET:
            session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))

    def _add(self, table: str, *values: Any) -> None:
        self._rows.setdefault(table, []).append(values)

    def _id(self, at: datetime) -> int:
        """An id in its place in time; the serial keeps ids of one millisecond apart."""
        self._serial += 1
        milliseconds = int((at - _EPOCH).total_seconds() * 1000)
        return milliseconds << 22 | self._serial % (1 << 22)

    def _member(self, life: Life) -> None:
        brand, at = self._brand, life.joined_at
        member, person = self._id(at), self._id(at)
        number, card = number_from(FIRST_NUMBER + life.index), f"QH{life.index + 1:08d}"
        self._add("person", person, at)
        self._add("membership", brand, person, member)
        self._add("member_number", brand, number, member)
        name = crypto.encrypt(life.name, context=NAME_CONTEXT)
        self._add(
            "member", brand, member, person, number, card, name, life.phone[-4:], life.gender, life.birthday,
            life.shop.store_id, life.guide_id, "active", "till", at, life.bound_at, CORRELATION,
        )  # fmt: skip
        phone = mobile(life.phone)
        sealed = crypto.encrypt(phone.value, context=SEAL_CONTEXT)
        self._identity(phone.key, sealed, person, "till", at)
        self._identity(card_identity(brand, card).key, None, person, "till", at)
        if life.bound_at:
            self._identity(("openid", self._appid, openid(life.index)), None, person, "miniapp", life.bound_at)
        if life.bound_at or life.followed_at:
            known_at = min(filter(None, (life.bound_at, life.followed_at)))
            self._identity(("unionid", plan()["open_platform"], unionid(life.index)), None, person, "wecom", known_at)
        self._add("home_store_history", brand, member, at, life.shop.store_id, "joined", "till", CORRELATION)
        if life.guide_id:
            self._add("guide_history", brand, member, at, life.guide_id, life.shop.store_id, "import", CORRELATION)
        if life.followed_at:
            self._follow(life, person)
        for tag in life.tags:
            self._add("member_tag", brand, member, tag, True, "import", "demo", at, "{}", CORRELATION)
        for n, (step, start, end) in enumerate(life.tiers):
            lowered = n > 0 and step.rank < life.tiers[n - 1][0].rank
            reason = "review" if lowered else "reached" if n else "import"
            self._add("member_tier", brand, member, start, step.tier_id, end, reason, CORRELATION)
        for n, order in enumerate(life.orders):
            self._order(life, member, n, order)
        self._ledger(life, member)
        if life.open_coupon:
            number_, taken = life.open_coupon
            seq = 1 + sum(1 for order in life.orders if order.coupon and order.coupon[0] == number_)
            self._coupon(member, number_, taken, seq, status="claimed")
        self._greeting(life, member)
        self._congratulations(life, member)

    def _identity(self, key: tuple[str, str, str], sealed: str | None, person: int, source: str, at: datetime) -> None:
        self._add("identity", *key, sealed, person, source, "{}", CORRELATION, at)

    def _follow(self, life: Life, person: int) -> None:
        assert life.guide_id is not None and life.followed_at is not None
        external = external_userid(life.index)
        self._identity(("external_userid", self._corp, external), None, person, "wecom", life.followed_at)
        contact = json.dumps({"name": life.name, "avatar": None, "type": 1, "gender": life.gender}, ensure_ascii=False)
        self._add(
            "follow", self._corp, self._userids[life.guide_id], external, self._brand, life.guide_id, person,
            f"store-{life.shop.store_id}", 1, "active", life.followed_at, life.followed_at,
            crypto.encrypt(contact, context=CONTACT_CONTEXT), CORRELATION,
        )  # fmt: skip

    def _order(self, life: Life, member: int, n: int, order: Bought) -> None:
        brand, order_id = self._brand, self._id(order.at)
        order_no = f"T{order.at:%y%m%d}{life.index:06d}{n:02d}"
        self._add(
            "sales_order", brand, member, order_id, "till", order_no, order.shop.store_id, order.guide_id, "till",
            False, order.total_fen, sum(order.discounts), order.paid_fen, "paid", order.at, CORRELATION, order.at,
        )  # fmt: skip
        self._add("order_number", brand, "till", order_no, member, order_id, b"")
        for line_no, (line, discount) in enumerate(zip(order.lines, order.discounts, strict=True), 1):
            sku, name, category, quantity, unit = line
            self._add(
                "order_line", brand, member, order_id, line_no, sku, name, category, quantity, unit,
                quantity * unit, discount, quantity * unit - discount,
            )  # fmt: skip
        for currency, amount in (("points", order.points), ("growth", order.growth)):
            self._earn(member, order, currency, amount, points_rules.order_cause(order_id))
        if order.coupon:
            number, taken = order.coupon
            coupon = self._coupon(member, number, taken, 1, status="redeemed", used=order, order_no=order_no)
            self._redemption(member, coupon, order, order_no, number)

    def _earn(self, member: int, order: Bought, currency: str, amount: int, cause: str) -> None:
        brand, journal = self._brand, self._id(order.at)
        self._add("journal", brand, member, journal, currency, "earn", cause, order.at, CORRELATION)
        if amount:
            lot = None
            if currency == "points":
                lot = self._id(order.at)
                ends = points_rules.expires_at(order.at, months=self._ground.points_months, zone=self._ground.zone)
                self._lots.append([lot, journal, amount, amount, ends])
            self._add("posting", brand, member, journal, 1, "member", lot, amount)
            self._add("posting", brand, member, journal, 3, "issued", None, -amount)

    def _ledger(self, life: Life, member: int) -> None:
        """Spend what was spent, earliest lot first, then write lots and balances."""
        brand, lots = self._brand, self._lots
        if life.spent_points:
            at = min(life.orders[-1].at + timedelta(minutes=2), self._ground.now)
            journal = self._id(at)
            self._add("journal", brand, member, journal, "points", "spend", f"gift:{journal}", at, CORRELATION)
            self._add("posting", brand, member, journal, 1, "spent", None, life.spent_points)
            left = life.spent_points
            for line, lot in enumerate(sorted(lots, key=lambda lot: (lot[4], lot[0])), 2):
                part = min(left, lot[3])
                if part:
                    lot[3] -= part
                    left -= part
                    self._add("posting", brand, member, journal, line, "member", lot[0], -part)
        for lot_id, journal, earned, remaining, ends in lots:
            self._add("lot", brand, member, lot_id, journal, earned, remaining, ends)
        if life.orders:
            points = sum(order.points for order in life.orders) - life.spent_points
            self._add("balance", brand, member, "points", points, 0)
            self._add("balance", brand, member, "growth", sum(order.growth for order in life.orders), 0)

    def _coupon(
        self,
        member: int,
        number: int,
        taken: datetime,
        seq: int,
        *,
        status: str,
        used: Bought | None = None,
        order_no: str | None = None,
    ) -> int:
        campaign_id, terms = self._campaigns[number], self._ground.coupons[number][1]
        window = coupon_rules.window(terms, taken)
        assert window is not None
        if status == "claimed" and window[1] <= self._ground.now:
            status = "expired"
        return self._write_coupon(
            member, campaign_id, seq, window, taken, status, "self", None, None, used=used, order_no=order_no
        )

    def _write_coupon(
        self,
        member: int,
        campaign_id: int,
        seq: int,
        window: tuple[datetime, datetime],
        taken: datetime,
        status: str,
        source: str,
        source_ref: str | None,
        guide_id: int | None,
        *,
        used: Bought | None = None,
        order_no: str | None = None,
    ) -> int:
        brand, coupon, code = self._brand, self._id(taken), codes.new_code()
        self._issued[campaign_id] = self._issued.get(campaign_id, 0) + 1
        self._add(
            "coupon", brand, member, coupon, campaign_id, 1, seq, code, status, taken, *window, source, source_ref,
            guide_id, CORRELATION,
        )  # fmt: skip
        self._add("coupon_code", code, brand, member, coupon)
        self._add(
            "coupon_event",
            brand,
            member,
            coupon,
            self._id(taken),
            None,
            "claimed",
            "issue",
            None,
            None,
            taken,
            CORRELATION,
        )
        if status != "claimed":
            at = used.at if used else window[1]
            store = used.shop.store_id if used else None
            cause = "redeem" if used else "expire"
            self._add(
                "coupon_event", brand, member, coupon, self._id(at), "claimed", status, cause, order_no, store, at,
                CORRELATION,
            )  # fmt: skip
        return coupon

    def _redemption(self, member: int, coupon: int, order: Bought, order_no: str, number: int) -> None:
        brand, redemption = self._brand, self._id(order.at)
        discount = sum(order.discounts)
        terms = self._ground.coupons[number][1]
        cost = coupon_rules.cost_share(discount, terms, dealer=order.shop.dealer)
        self._add(
            "redemption", brand, member, redemption, coupon, "till", order_no, order.shop.store_id, discount, cost.hq,
            cost.dealer, cost.supplier, terms.supplier, terms.stack_group, None, order.at, None, CORRELATION,
        )  # fmt: skip
        self._add(
            "order_discount", brand, order_no, "till", order.shop.store_id, order.total_fen, discount,
            [terms.stack_group],
        )  # fmt: skip
        for line_no, (line, fen) in enumerate(zip(order.lines, order.discounts, strict=True), 1):
            if fen:
                self._add("redemption_line", brand, member, redemption, line_no, fen, line[3])
        told = {
            "brand_id": brand,
            "member_id": member,
            "person_id": None,
            "redemption_id": redemption,
            "coupon_id": coupon,
            "campaign_id": self._campaigns[number],
            "order_no": order_no,
            "store_id": order.shop.store_id,
            "discount_fen": discount,
        }
        self._add(
            "outbox", self._id(order.at), "coupons.redeemed", json.dumps(told), brand, member, CORRELATION, order.at,
            order.at,
        )  # fmt: skip

    def _greeting(self, life: Life, member: int) -> None:
        """The task that greeted a member who bound lately, and its coupon when the guide did it."""
        if life.bound_at is None:
            return
        task = self._task(life, member, self._founded.greeting, "once", life.bound_at, hours=24)
        if task is not None:
            task_id, done_at = task
            campaign_id, terms = self._founded.campaigns["welcome30"]
            window = coupon_rules.window(terms, done_at)
            assert window is not None
            state = "claimed" if window[1] > self._ground.now else "expired"
            ref = f"task:{task_id}"
            self._write_coupon(member, campaign_id, 1, window, done_at, state, "sop", ref, life.guide_id)

    def _congratulations(self, life: Life, member: int) -> None:
        """The tasks that congratulated a member on each tier reached lately."""
        for (before, _, _), (step, at, _) in pairwise(life.tiers):
            if step.rank > before.rank:
                self._task(life, member, self._founded.congratulation, f"tier:{step.tier_id}:{at:%Y%m%d}", at, hours=48)

    def _task(
        self, life: Life, member: int, step: tuple[int, int], period: str, at: datetime, *, hours: int
    ) -> tuple[int, datetime] | None:
        """A guide's task of the last 30 days; its id and when it was done, or None when it was not (or never was)."""
        now, (sop_id, step_id) = self._ground.now, step
        if life.guide_id is None or at < now - timedelta(days=30):
            return None
        task, deadline = self._id(at), at + timedelta(hours=hours)
        done_at = at + timedelta(minutes=7 + life.index % 300)
        done = bool(life.index % 7) and done_at < now
        status = "done" if done else "expired" if deadline + timedelta(hours=72) < now else "open"
        # Who had to be reminded of a late one was reminded at the time.
        late = not done and deadline < now
        next_at = deadline + timedelta(hours=72) if late else deadline
        sent = {"kind": "sidebar_send", "msgtype": "miniprogram", "external_userid": external_userid(life.index)}
        self._add(
            "guide_task", self._brand, member, step_id, period, task, sop_id, life.guide_id, life.shop.store_id, status,
            at, deadline, done_at if done else None, json.dumps(sent) if done else None, at,
            2 if late else 0, next_at, CORRELATION, at,
        )  # fmt: skip
        return (task, done_at) if done else None


def openid(index: int) -> str:
    return f"oDemo{index:08d}xQingheMini"


def unionid(index: int) -> str:
    return f"uDemo{index:08d}xQingheOpen"


def external_userid(index: int) -> str:
    return f"wmDemo{index:08d}QingheCorp"


_COLUMNS = {
    "person": "person_id created_at",
    "membership": "brand_id person_id member_id",
    "member_number": "brand_id number member_id",
    "member": "brand_id member_id person_id number card_no name phone_tail gender birthday home_store_id guide_id"
    " status source joined_at bound_at correlation_id",
    "identity": "kind namespace value sealed_value person_id source evidence correlation_id linked_at",
    "guide_history": "brand_id member_id from_at guide_id store_id reason correlation_id",
    "follow": "corp_id userid external_userid brand_id guide_id person_id state add_way status added_at changed_at"
    " contact correlation_id",
    "member_tag": "brand_id member_id tag_id held source said_by at evidence correlation_id",
    "home_store_history": "brand_id member_id from_at store_id reason moved_by correlation_id",
    "member_tier": "brand_id member_id valid_from tier_id valid_to reason correlation_id",
    "sales_order": "brand_id member_id order_id source order_no store_id guide_id channel walk_in total_fen"
    " discount_fen paid_fen status paid_at correlation_id created_at",
    "order_number": "brand_id source order_no member_id order_id content_hash",
    "order_line": "brand_id member_id order_id line_no sku name category quantity unit_fen amount_fen"
    " discount_fen paid_fen",
    "journal": "brand_id member_id journal_id currency kind cause at correlation_id",
    "posting": "brand_id member_id journal_id line account lot_id amount",
    "lot": "brand_id member_id lot_id journal_id earned remaining expires_at",
    "balance": "brand_id member_id currency amount floor",
    "coupon": "brand_id member_id coupon_id campaign_id version seq code status claimed_at valid_from valid_to source"
    " source_ref guide_id correlation_id",
    "coupon_code": "code brand_id member_id coupon_id",
    "coupon_event": "brand_id member_id coupon_id event_id from_status to_status cause order_no store_id at"
    " correlation_id",
    "redemption": "brand_id member_id redemption_id coupon_id source order_no store_id discount_fen hq_fen dealer_fen"
    " supplier_fen supplier stack_group api_client_id redeemed_at returned_at correlation_id",
    "order_discount": "brand_id order_no source store_id total_fen discount_fen groups",
    "redemption_line": "brand_id member_id redemption_id line_no discount_fen quantity",
    "outbox": "id name payload brand_id member_id correlation_id created_at fanned_out_at",
    "guide_task": "brand_id member_id step_id period task_id sop_id guide_id store_id status due_at deadline_at done_at"
    " evidence announced_at ladder next_at correlation_id created_at",
}
