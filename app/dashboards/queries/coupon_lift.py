"""What a coupon changed: members who got it against members who were kept out by chance, over the same days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Numeric, Select, Subquery, and_, cast, func, select

from app.core.db import session
from app.coupons.issue_models import CouponPush
from app.coupons.queries.issues import compared_pushes, sides_of_campaign
from app.dashboards.reach import Reach
from app.dashboards.statistics import FEWEST, Interval, Sample, difference_of_means, difference_of_shares
from app.sales.models import SalesOrder

NOBODY = Sample(0, 0, 0, 0)


@dataclass(frozen=True)
class Lift:
    """Both groups, and by how much those who got it did better: as a share of members who bought (1 = all of them), and
    in fen a member; None where a group is empty. Intervals are of 95 %; None where a group is too small to say.
    """

    got: Sample
    held_out: Sample
    share: float | None
    share_interval: Interval | None
    fen: float | None
    fen_interval: Interval | None


@dataclass(frozen=True)
class CampaignLift:
    """The lift of all pushes of a campaign that held members out (`pushes`: how many), as a whole and by the members'
    home stores of today (None: no store), the largest first. `uneven`: the pushes held out different shares, so that
    the sides may be of different crowds.
    """

    pushes: int
    uneven: bool
    whole: Lift
    stores: Sequence[tuple[int | None, Lift]]


def lift(
    brand_id: int, *, got: Select[Any], held_out: Select[Any], since: datetime, days: int, level: float = 0.95
) -> Lift:
    """Compare two sets of members (statements of one column, member ids) by what they bought in `days` from `since`.

    Everybody counts, whether or not the coupon was used: leaving out those who did not would compare buyers with all.
    """
    one, other = (_sample(brand_id, members, since, since + timedelta(days=days)) for members in (got, held_out))
    return compared(one, other, level=level)


def campaign_lift(reach: Reach, campaign_id: int, days: int) -> CampaignLift:
    """The lift of a campaign among members of the reader's stores, in two statements: each member is measured over
    `days` from the beginning of their own push. A store with fewer than FEWEST on a side has no intervals.
    """
    pushes = compared_pushes(reach.brand_id, campaign_id)
    found: dict[int | None, dict[bool, Sample]] = defaultdict(dict)
    for store_id, got, *values in _by_store(reach, campaign_id, pushes, days):
        found[store_id][got] = Sample(*(int(value) for value in values))
    sides = {key: (one.get(True, NOBODY), one.get(False, NOBODY)) for key, one in found.items()}
    whole = [sum((one[at] for one in sides.values()), NOBODY) for at in (0, 1)]
    largest = sorted(sides, key=lambda key: (-sum(one.members for one in sides[key]), key is None, key or 0))
    return CampaignLift(
        pushes=len(pushes),
        uneven=len({one.hold_out_bp for one in pushes}) > 1,
        whole=compared(*whole),
        stores=[(key, compared(*sides[key], fewest=FEWEST)) for key in largest],
    )


def compared(got: Sample, held_out: Sample, *, level: float = 0.95, fewest: int = 1) -> Lift:
    """Two measured groups side by side; no intervals where one has less than `fewest` members."""
    both, enough = bool(got.members and held_out.members), min(got.members, held_out.members) >= fewest
    return Lift(
        got=got,
        held_out=held_out,
        share=got.share - held_out.share if both else None,
        share_interval=difference_of_shares(got, held_out, level=level) if enough else None,
        fen=got.mean - held_out.mean if both else None,
        fen_interval=difference_of_means(got, held_out, level=level) if enough else None,
    )


def _by_store(reach: Reach, campaign_id: int, pushes: Sequence[CouponPush], days: int) -> Sequence[Any]:
    """(store, got, then what a Sample is made of) of each side in each store."""
    if not pushes:
        return []
    sides = sides_of_campaign(reach.brand_id, campaign_id, pushes).subquery()
    chosen = select(sides).where(reach.within(sides.c.home_store_id)).subquery()
    began, lasts = [one.created_at for one in pushes], timedelta(days=days)
    each = _paid(
        reach.brand_id,
        chosen,
        SalesOrder.paid_at >= chosen.c.since,
        SalesOrder.paid_at < chosen.c.since + lasts,
        # The same once more in values, for the planner: no more of the index is read than these days.
        SalesOrder.paid_at >= min(began),
        SalesOrder.paid_at < max(began) + lasts,
    )
    kinds = (each.c.home_store_id, each.c.got)
    return session.execute(select(*kinds, *_sums(each)).group_by(*kinds)).all()


def _sample(brand_id: int, members: Select[Any], since: datetime, until: datetime) -> Sample:
    each = _paid(brand_id, members.subquery(), SalesOrder.paid_at >= since, SalesOrder.paid_at < until)
    return Sample(*(int(value) for value in session.execute(select(*_sums(each))).one()))


def _paid(brand_id: int, chosen: Subquery, *when: ColumnElement[bool]) -> Subquery:
    """What each of `chosen` (its first column: the member) bought at that time, beside its own columns: refunded orders
    do not count, refunds in part are taken off.
    """
    columns = list(chosen.columns)
    return (
        select(
            *columns,
            func.count(SalesOrder.order_id).label("orders"),
            cast(func.coalesce(func.sum(SalesOrder.paid_fen - SalesOrder.refunded_fen), 0), BigInteger).label("fen"),
        )
        .select_from(chosen)
        .outerjoin(
            SalesOrder,
            and_(
                SalesOrder.brand_id == brand_id,
                SalesOrder.member_id == columns[0],
                SalesOrder.status == "paid",
                *when,
            ),
        )
        .group_by(*columns)
        .subquery()
    )


def _sums(each: Subquery) -> tuple[ColumnElement[Any], ...]:
    """What a Sample is made of, over rows of `_paid`."""
    return (
        func.count(),
        func.count().filter(each.c.orders > 0),
        func.coalesce(func.sum(each.c.fen), 0),
        func.coalesce(func.sum(cast(each.c.fen, Numeric) * each.c.fen), 0),
    )
