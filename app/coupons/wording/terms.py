"""What a coupon gives and asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from ..rules import FULL_BP, Terms
from . import times

NAMED = 3  # so many stores, articles or days are named; of more only the number is told
CHANNELS = {"till": "门店收银机", "desk": "门店收银台", "mall": "商城"}


class Names(NamedTuple):
    """What the ids in terms are called: stores, dealers and regions by id."""

    stores: Mapping[int, str] = {}
    dealers: Mapping[int, str] = {}
    regions: Mapping[int, str] = {}


NO_NAMES = Names()
Words = Callable[[Terms, Names], str]


def named_few(ids: Collection[int] | None) -> frozenset[int]:
    """The ids that are told by name: those of a short list."""
    return frozenset(ids) if ids and len(ids) <= NAMED else frozenset()


def yuan(fen: int) -> str:
    """Fen as people write a price: ¥50, ¥12.50."""
    whole, rest = divmod(fen, 100)
    return f"¥{whole:,}" if rest == 0 else f"¥{whole:,}.{rest:02}"


def offer(terms: Terms) -> str:
    """What a coupon gives, in a few words: 满¥300减¥50, 享8.5折 最高减¥100."""
    above = f"满{yuan(terms.threshold_fen)}" if terms.threshold_fen else ""
    if terms.kind == "percent":
        folds = (FULL_BP - terms.percent_bp) / 1000
        most = f" 最高减{yuan(terms.cap_fen)}" if terms.cap_fen else ""
        return f"{above}享{folds:g}折{most}" if folds else f"{above}免单{most}"
    if terms.kind == "gift":
        return f"{above}送礼品一份"
    if terms.kind == "shipping":
        return f"{above}免运费" + (f" 最高{yuan(terms.amount_fen)}" if terms.amount_fen else "")
    return f"{above}减{yuan(terms.amount_fen)}" if above else f"立减{yuan(terms.amount_fen)}"


def conditions(terms: Terms, names: Names = NO_NAMES) -> list[str]:
    """What a held coupon asks for beside `offer` and its validity: 仅限一号店使用, 周一至周五可用, 不可与其他券同用."""
    return _told(_USE, terms, names)


def rules_of_taking(terms: Terms, names: Names = NO_NAMES) -> list[str]:
    """What is promised to whoever takes one: limits and validity, 每人限领1张, 领取后30天内有效."""
    return _told(_TAKE, terms, names)


def _told(which: Mapping[str, Words], terms: Terms, names: Names) -> list[str]:
    return [text for words in which.values() if (text := words(terms, names))]


def some(texts: Collection[str], unit: str) -> str:
    """A short list by name, a long one by its beginning and number: A-1、A-2、A-3 等 7 款."""
    ordered = sorted(texts)
    return "、".join(ordered[:NAMED]) + (f" 等 {len(ordered)} {unit}" if len(ordered) > NAMED else "")


def place(terms: Terms, names: Names = NO_NAMES) -> str:
    """Where it can be used: every store that one of the three lists names."""
    parts = [
        _named(terms.store_ids, names.stores, "家门店"),
        _named(terms.dealer_ids, names.dealers, "家经销商的门店", "的门店"),
        _named(terms.region_ids, names.regions, "个区域的门店", "区域的门店"),
    ]
    told = "、".join(part for part in parts if part)
    return f"仅限{told}使用" if told else ""


def _named(ids: Collection[int] | None, names: Mapping[int, str], unit: str, tail: str = "") -> str:
    if ids is None:
        return ""
    if not ids:
        return f" 0 {unit}"
    few = named_few(ids)
    known = [names[one] for one in sorted(few) if one in names]
    return (
        "、".join(f"{name}{tail}" for name in known)
        if known and len(known) == len(ids)
        else f"指定的 {len(ids)} {unit}"
    )


def _together(fields: Sequence[str], words: Words) -> dict[str, Words]:
    """Words of several fields together, told once: by the first of them that is set."""

    def told_by(field: str) -> Words:
        return lambda terms, names: words(terms, names) if _first_set(fields, terms) == field else ""

    return {field: told_by(field) for field in fields}


def _first_set(fields: Sequence[str], terms: Terms) -> str | None:
    return next((one for one in fields if getattr(terms, one) is not None), None)


def _goods(terms: Terms, names: Names) -> str:
    parts = (("商品", terms.skus, "款"), ("品类", terms.categories, "类"))
    told = "或".join(f"{what} {some(which, unit)} " for what, which, unit in parts if which)
    return f"仅限{told}可用" if told else ""


def _not_goods(terms: Terms, names: Names) -> str:
    return f"不含商品：{some(terms.except_skus, '款')}" if terms.except_skus else ""


def _not_categories(terms: Terms, names: Names) -> str:
    return f"不含品类：{some(terms.except_categories, '类')}" if terms.except_categories else ""


def _not_stores(terms: Terms, names: Names) -> str:
    return f"{_named(terms.except_store_ids, names.stores, '家门店')}不可用" if terms.except_store_ids else ""


def gifts(terms: Terms, names: Names = NO_NAMES) -> str:
    return f"兑换商品：{some(terms.gift_skus, '款')}" if terms.gift_skus else ""


def weekdays(terms: Terms, names: Names = NO_NAMES) -> str:
    return f"{times.weekdays(terms.weekdays)}可用" if terms.weekdays and len(terms.weekdays) < 7 else ""


def hours(terms: Terms, names: Names = NO_NAMES) -> str:
    return f"{times.hours(terms.hours)} 可用" if terms.hours and terms.hours != (("00:00", "24:00"),) else ""


def only_days(terms: Terms, names: Names = NO_NAMES) -> str:
    return f"仅限{times.days(terms.only_days, NAMED)}可用" if terms.only_days else ""


def _not_days(terms: Terms, names: Names) -> str:
    return f"{times.days(terms.except_days, NAMED)}不可用" if terms.except_days else ""


def channels(terms: Terms, names: Names = NO_NAMES) -> str:
    if terms.channels is None or terms.channels == CHANNELS.keys():
        return ""
    if terms.channels == {"till", "desk"}:
        return "仅限门店使用"
    return f"仅限{'、'.join(word for channel, word in CHANNELS.items() if channel in terms.channels)}使用"


def _stack(terms: Terms, names: Names) -> str:
    return "仅可与其他叠加组的券同用，同组券每单限用1张" if terms.stack_group else "不可与其他券同用"


def _starts(terms: Terms, names: Names) -> str:
    return f"{times.moment(terms.starts_at, terms.timezone)}起可用" if terms.starts_at else ""


def _days(terms: Terms, names: Names) -> str:
    if terms.valid_days is None:
        return ""
    return f"{'生效' if terms.wait_days else '领取'}后{terms.valid_days}天内有效"


def _per(field: str, period: str) -> Words:
    def told(terms: Terms, names: Names) -> str:
        most = getattr(terms, field)
        return f"每人{period}限领{most}张" if most is not None else ""

    return told


OFFERED = ("kind", "amount_fen", "threshold_fen", "percent_bp", "cap_fen")
_USE: dict[str, Words] = {
    **_together(("store_ids", "dealer_ids", "region_ids"), place),
    "except_store_ids": _not_stores,
    "channels": channels,
    "weekdays": weekdays,
    "hours": hours,
    "only_days": only_days,
    "except_days": _not_days,
    "gift_skus": gifts,
    **_together(("skus", "categories"), _goods),
    "except_skus": _not_goods,
    "except_categories": _not_categories,
    "stack_group": _stack,
    "returns": lambda terms, names: "退货后券不退回" if terms.returns == "never" else "",
    "grace_days": lambda terms, names: f"退货退回的券至少再有效{terms.grace_days}天" if terms.grace_days else "",
    "transferable": lambda terms, names: "可转赠好友" if terms.transferable else "",
}
_TAKE: dict[str, Words] = {
    "per_member": _per("per_member", ""),
    "per_day": _per("per_day", "每天"),
    "per_week": _per("per_week", "每周"),
    "per_month": _per("per_month", "每月"),
    "starts_at": _starts,
    "ends_at": lambda terms, names: f"{times.end(terms.ends_at, terms.timezone)}前有效" if terms.ends_at else "",
    "wait_days": lambda terms, names: f"领取后第{terms.wait_days + 1}天生效" if terms.wait_days else "",
    "valid_days": _days,
}
UNTOLD = {
    "hq_bp": "who pays for the discount is no shopper's affair",
    "supplier": "who pays for the discount is no shopper's affair",
    "supplier_bp": "who pays for the discount is no shopper's affair",
    "timezone": "told by every date",
}
TOLD = frozenset((*OFFERED, *_USE, *_TAKE))
