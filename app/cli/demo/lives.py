"""Two years of plausible members: who they are, what they bought, which tier they had. Pure and deterministic.

Everything follows from a seed and the moment of asking; tiers and points are counted with the product's own rules, so
that what is seeded passes the same invariants as what is lived.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.coupons import rules as coupon_rules
from app.coupons.rules import Line, Terms
from app.points import rules as points_rules
from app.tiers.rules import Standing, Step, lowered, raised

DAYS = 730
HOURS = ((10, 4), (11, 6), (12, 7), (13, 6), (14, 7), (15, 9), (16, 10), (17, 9), (18, 9), (19, 11), (20, 9), (21, 4))


@dataclass(frozen=True)
class Shop:
    """A store as the lives need it; `guides` are ids, `weight` how busy it is."""

    store_id: int
    dealer: bool
    guides: Sequence[int]
    weight: float


@dataclass(frozen=True)
class Ground:
    """What is the same for every life."""

    zone: ZoneInfo
    now: datetime
    shops: Sequence[Shop]
    ladder: tuple[Step, ...]
    window_days: int
    protection_days: int
    points_per_yuan: int
    growth_per_yuan: int
    points_months: int
    products: Sequence[tuple[str, str, str, int]]
    coupons: Sequence[tuple[int, Terms]]  # campaigns that may have been used, with their terms
    surnames: str
    given: str
    tags: Sequence[int]


@dataclass
class Bought:
    """One order; `coupon` is (index in ground.coupons, claimed at, shares by line) when one was used for it."""

    at: datetime
    shop: Shop
    guide_id: int | None
    lines: list[tuple[str, str, str, int, int]]  # sku, name, category, quantity, unit_fen
    discounts: list[int]
    points: int = 0
    growth: int = 0
    coupon: tuple[int, datetime] | None = None

    @property
    def total_fen(self) -> int:
        return sum(quantity * unit for *_, quantity, unit in self.lines)

    @property
    def paid_fen(self) -> int:
        return self.total_fen - sum(self.discounts)


@dataclass
class Life:
    """One member."""

    index: int
    name: str
    gender: int
    birthday: date
    phone: str
    shop: Shop
    guide_id: int | None
    joined_at: datetime
    bound_at: datetime | None
    followed_at: datetime | None
    tags: list[int]
    orders: list[Bought] = field(default_factory=list)
    tiers: list[tuple[Step, datetime, datetime | None]] = field(default_factory=list)
    spent_points: int = 0
    open_coupon: tuple[int, datetime] | None = None


def lives(ground: Ground, count: int, seed: int = 20260101) -> Iterator[Life]:
    """`count` members, one after another, the same for the same seed and moment."""
    weights = [shop.weight for shop in ground.shops]
    for index in range(count):
        chance = random.Random(seed * 1_000_003 + index)
        yield _life(ground, chance, index, chance.choices(ground.shops, weights)[0])


def _life(ground: Ground, chance: random.Random, index: int, shop: Shop) -> Life:
    joined = _moment(ground, chance, int(DAYS * (1 - math.sqrt(chance.random()))))
    guide = chance.choice(shop.guides) if chance.random() < 0.8 else None
    bound = _later(ground, chance, joined, 60) if chance.random() < 0.55 else None
    followed = _later(ground, chance, joined, 40) if guide and chance.random() < 0.6 else None
    life = Life(
        index=index,
        name=chance.choice(ground.surnames) + "".join(chance.choices(ground.given, k=chance.choice((1, 2, 2)))),
        gender=2 if chance.random() < 0.68 else 1,
        birthday=date(chance.randint(1962, 2006), chance.randint(1, 12), chance.randint(1, 28)),
        phone=f"1{chance.choice((3, 5, 7, 8, 9))}{index % 10}{(index * 7_654_321 + 1_234_567) % 100_000_000:08d}",
        shop=shop,
        guide_id=guide,
        joined_at=joined,
        bound_at=bound,
        followed_at=followed,
        tags=[tag for tag in ground.tags if chance.random() < 0.12],
    )
    keen = chance.lognormvariate(0.6, 0.9)
    count = min(24, int(keen * (ground.now - joined).days / 200) + (chance.random() < 0.85))
    span = max((ground.now - joined).total_seconds(), 1)
    days = sorted(chance.random() ** (0.8 if keen > 2 else 1.3) for _ in range(count))
    moments = [_shopping_hour(ground, chance, joined + timedelta(seconds=span * share)) for share in days]
    for at in sorted(moments):
        if joined <= at <= ground.now:
            life.orders.append(_order(ground, chance, life, at))
    _count(ground, life)
    points = sum(order.points for order in life.orders)
    if points > 500 and chance.random() < 0.25:
        life.spent_points = points // 200 * 100
    if bound and chance.random() < 0.3:
        life.open_coupon = (
            chance.randrange(len(ground.coupons)),
            max(bound, ground.now - timedelta(days=chance.uniform(0.1, 20))),
        )
    return life


def _moment(ground: Ground, chance: random.Random, days_ago: int) -> datetime:
    return _shopping_hour(ground, chance, ground.now - timedelta(days=days_ago))


def _shopping_hour(ground: Ground, chance: random.Random, near: datetime) -> datetime:
    hour = chance.choices([h for h, _ in HOURS], [w for _, w in HOURS])[0]
    local = near.astimezone(ground.zone).replace(
        hour=hour, minute=chance.randrange(60), second=chance.randrange(60), microsecond=chance.randrange(1000) * 1000
    )
    at = local.astimezone(ground.now.tzinfo)
    # Today's later hours have not come yet: such a moment was an earlier one of the day before.
    return at if at <= ground.now else at - timedelta(days=1)


def _later(ground: Ground, chance: random.Random, after: datetime, days: int) -> datetime | None:
    """Some time after, in a shop's hours; None when that lies ahead."""
    wanted = after + timedelta(days=chance.expovariate(1 / days))
    at = max(_shopping_hour(ground, chance, wanted), after + timedelta(minutes=3))
    return at if wanted <= ground.now and at <= ground.now else None


def _order(ground: Ground, chance: random.Random, life: Life, at: datetime) -> Bought:
    chosen = chance.sample(range(len(ground.products)), chance.choices((1, 2, 3, 4), (50, 30, 14, 6))[0])
    lines = [(*ground.products[i][:3], 1 + (chance.random() < 0.12), ground.products[i][3]) for i in sorted(chosen)]
    guide = life.guide_id if chance.random() < 0.7 else chance.choice(life.shop.guides)
    order = Bought(at=at, shop=life.shop, guide_id=guide, lines=lines, discounts=[0] * len(lines))
    if chance.random() < 0.12:
        number = chance.randrange(len(ground.coupons))
        terms = ground.coupons[number][1]
        taken = max(life.joined_at, at - timedelta(days=chance.uniform(0.2, min(terms.valid_days or 20, 20))))
        used = {one.coupon[0] for one in life.orders if one.coupon}
        basket = [Line(i, sku, cat, qty, qty * unit) for i, (sku, _, cat, qty, unit) in enumerate(lines, 1)]
        if taken < at and number not in used and order.total_fen >= terms.threshold_fen:
            quote = coupon_rules.quote(terms, basket)
            for line_no, fen in quote.lines:
                order.discounts[line_no - 1] = fen
            order.coupon = (number, taken)
    return order


def _count(ground: Ground, life: Life) -> None:
    """Points, growth and tiers along the life, with the nightly reviews that would have lowered a tier."""
    earned: list[tuple[datetime, int]] = []
    current: Step | None = None
    since = life.joined_at

    def standing() -> Standing:
        return Standing(
            ladder=ground.ladder,
            window_days=ground.window_days,
            protection_days=ground.protection_days,
            current=current,
            since=since if current else None,
        )

    def growth(at: datetime) -> int:
        start = at - timedelta(days=ground.window_days)
        return sum(amount for when, amount in earned if start < when <= at)

    def move(step: Step, at: datetime) -> None:
        nonlocal current, since
        if life.tiers and life.tiers[-1][1] == at:
            life.tiers.pop()  # placed and raised in the same moment: the later word counts
        elif life.tiers:
            life.tiers[-1] = (life.tiers[-1][0], life.tiers[-1][1], at)
        life.tiers.append((step, at, None))
        current, since = step, at

    def review(until: datetime) -> None:
        while current is not None:
            ends = [when + timedelta(days=ground.window_days) for when, _ in earned]
            free = since + timedelta(days=ground.protection_days)
            nights = sorted({_night(ground, at) for at in [*ends, free] if _night(ground, at) > since})
            for night in nights:
                if night < until and (step := lowered(standing(), growth(night), night)):
                    move(step, night)
                    break
            else:
                return

    if first := raised(standing(), 0):
        move(first, life.joined_at)
    for order in life.orders:
        review(order.at)
        order.growth = points_rules.earned(order.paid_fen, per_yuan=ground.growth_per_yuan)
        order.points = points_rules.earned(
            order.paid_fen, per_yuan=ground.points_per_yuan, rate_bp=standing().points_rate_bp
        )
        earned.append((order.at, order.growth))
        if step := raised(standing(), growth(order.at)):
            move(step, order.at)
    review(ground.now)


def _night(ground: Ground, after: datetime) -> datetime:
    """The nightly review (03:20 local) that first sees what is true from `after` on."""
    local = after.astimezone(ground.zone)
    night = local.replace(hour=3, minute=20, second=0, microsecond=0)
    if night <= local:
        night += timedelta(days=1)
    return night.astimezone(ground.now.tzinfo)
