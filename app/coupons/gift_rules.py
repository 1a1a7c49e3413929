"""On which occasions members are given coupons: names and days. Pure: no database, no clock."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, timedelta

# welcome: a phone was proved for the first time; referrer: brought a new member; referred: came by an invitation.
KINDS = ("welcome", "birthday", "order", "referrer", "referred")
SOURCE_OF: Mapping[str, str] = {
    "welcome": "welcome",
    "birthday": "birthday",
    "order": "order",
    "referrer": "referral",
    "referred": "referral",
}
ONCE = "once"
BIRTHDAY_HOUR = 9  # local; nobody is congratulated at night
CATCH_UP_DAYS = 7  # of a schedule that stood still


def ref(kind: str, occasion: str, rule_id: int) -> str:
    """The `source_ref` of the coupon that a rule gives on an occasion."""
    return f"{kind}:{occasion}:{rule_id}"


def born_on(day: date) -> list[tuple[int, int]]:
    """(month, day) of the birthdays kept on a day: of a 29 February on the 28th, where the year has none."""
    kept = [(day.month, day.day)]
    if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year):
        kept.append((2, 29))
    return kept


def owed_days(ran_day: date | None, today: date) -> list[date]:
    """The local days that a rule has not worked off yet, today included; none twice, and none long gone."""
    first = today if ran_day is None else max(ran_day + timedelta(days=1), today - timedelta(days=CATCH_UP_DAYS - 1))
    return [first + timedelta(days=n) for n in range((today - first).days + 1)]
