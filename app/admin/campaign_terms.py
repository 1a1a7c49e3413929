"""What a campaign promises, as an operator writes it, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields as fields_of
from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length, OneOf, Range

from app.core.errors import Invalid
from app.coupons import rules
from app.org import queries as org

FEN = Range(0, 1_000_000_000_00)
MANY = Length(max=5000)


class TermsInvalid(Invalid):
    code, message = "terms_invalid", "These terms promise nothing that could be kept; see `data.fields`."


class TermsSchema(Schema):
    """What a coupon promises; see the terms' own documentation. Stores, dealers and regions by their codes."""

    kind = fields.String(required=True, validate=OneOf(rules.KINDS))
    per_member = fields.Integer(load_default=1, validate=Range(1, 10_000))
    per_day = fields.Integer(load_default=None, allow_none=True, validate=Range(1, 10_000))
    per_week = fields.Integer(load_default=None, allow_none=True, validate=Range(1, 10_000))
    per_month = fields.Integer(load_default=None, allow_none=True, validate=Range(1, 10_000))
    amount_fen = fields.Integer(load_default=0, validate=FEN)
    threshold_fen = fields.Integer(load_default=0, validate=FEN)
    percent_bp = fields.Integer(load_default=0, validate=Range(0, rules.FULL_BP))
    cap_fen = fields.Integer(load_default=None, allow_none=True, validate=FEN)
    gift_skus = fields.List(fields.String(validate=Length(1, 64)), load_default=list, validate=MANY)
    skus = fields.List(fields.String(validate=Length(1, 64)), load_default=None, allow_none=True, validate=MANY)
    categories = fields.List(fields.String(validate=Length(1, 64)), load_default=None, allow_none=True, validate=MANY)
    except_skus = fields.List(fields.String(validate=Length(1, 64)), load_default=list, validate=MANY)
    except_categories = fields.List(fields.String(validate=Length(1, 64)), load_default=list, validate=MANY)
    starts_at = fields.AwareDateTime(load_default=None, allow_none=True)
    ends_at = fields.AwareDateTime(load_default=None, allow_none=True)
    wait_days = fields.Integer(load_default=0, validate=Range(0, 3650))
    valid_days = fields.Integer(load_default=None, allow_none=True, validate=Range(1, 3650))
    weekdays = fields.List(fields.Integer(validate=Range(1, 7)), load_default=None, allow_none=True)
    hours = fields.List(
        fields.List(fields.String(validate=Length(5, 5)), validate=Length(2, 2)),
        load_default=list,
        validate=Length(max=8),
    )
    only_days = fields.List(fields.Date(), load_default=None, allow_none=True, validate=MANY)
    except_days = fields.List(fields.Date(), load_default=list, validate=MANY)
    stores = fields.List(fields.String(validate=Length(1, 64)), load_default=None, allow_none=True, validate=MANY)
    dealers = fields.List(fields.String(validate=Length(1, 64)), load_default=None, allow_none=True, validate=MANY)
    regions = fields.List(fields.String(validate=Length(1, 64)), load_default=None, allow_none=True, validate=MANY)
    except_stores = fields.List(fields.String(validate=Length(1, 64)), load_default=list, validate=MANY)
    channels = fields.List(
        fields.String(validate=OneOf(rules.CHANNELS)), load_default=None, allow_none=True, validate=Length(max=3)
    )
    stack_group = fields.String(load_default="", validate=Length(max=40))
    returns = fields.String(load_default="full", validate=OneOf(rules.RETURNS))
    grace_days = fields.Integer(load_default=0, validate=Range(0, 365))
    transferable = fields.Boolean(load_default=False)
    supplier = fields.String(load_default="", validate=Length(max=80))
    supplier_bp = fields.Integer(load_default=0, validate=Range(0, rules.FULL_BP))
    hq_bp = fields.Integer(load_default=rules.FULL_BP, validate=Range(0, rules.FULL_BP))


def terms_of(brand_id: int, given: Mapping[str, Any]) -> rules.Terms:
    """The terms an operator wrote; TermsInvalid names what makes no sense or is not there."""
    values = dict(given)
    for name, (asked, known) in _places(brand_id).items():
        codes = values.pop(asked)
        values[name] = None if codes is None else frozenset(known_ids(known, codes, asked))
    for field in fields_of(rules.Terms):
        if isinstance(values.get(field.name), list):
            values[field.name] = _plain(field.name, values[field.name])
    brand = org.brand(brand_id)
    try:
        return rules.Terms(**values, timezone=brand.timezone)
    except ValueError as error:
        raise TermsInvalid(fields=str(error).removeprefix("coupon terms: ").split(", ")) from error


def as_given(brand_id: int, terms: rules.Terms) -> dict[str, Any]:
    """Terms as an operator writes them: places by their codes, lists in order. `terms_of` reads it back."""
    given = {field.name: getattr(terms, field.name) for field in fields_of(rules.Terms) if field.name != "timezone"}
    for name, (asked, known) in _places(brand_id).items():
        found = given.pop(name)
        given[asked] = None if found is None else [code for code, one in known.items() if one in found]
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in given.items()}


def _places(brand_id: int) -> dict[str, tuple[str, dict[str, int]]]:
    """By the terms' name of a kind of place: what an operator calls it, and the ids of its codes."""
    stores = {store.code: store.id for store in org.stores(brand_id)}
    return {
        "store_ids": ("stores", stores),
        "except_store_ids": ("except_stores", stores),
        "dealer_ids": ("dealers", {dealer.code: dealer.id for dealer in org.dealers(brand_id)}),
        "region_ids": ("regions", {region.code: region.id for region in org.regions(brand_id)}),
    }


def _plain(name: str, values: list[Any]) -> Any:
    return tuple(tuple(span) for span in values) if name == "hours" else frozenset(values)


def known_ids(known: Mapping[str, int], codes: Iterable[str], field: str) -> list[int]:
    missing = [code for code in codes if code not in known]
    if missing:
        raise TermsInvalid(fields=[field], unknown=missing[:20])
    return [known[code] for code in codes]
