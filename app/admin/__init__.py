"""The audience of headquarters, regions, dealers and store managers: a JSON API and the pages of the console."""

from __future__ import annotations

from apiflask import APIBlueprint

# Importing a module puts its routes on the blueprints.
from . import (  # noqa: F401
    account,
    audit_log,
    blocked,
    campaign_lift,
    campaign_pages,
    campaigns,
    case_pages,
    cases,
    cash_desk,
    cash_desk_page,
    channel_code_page,
    channel_codes,
    coupon_bills,
    coupon_channel_page,
    coupon_channels,
    coupon_flags,
    coupon_pages,
    coupon_pushes,
    coupon_reports,
    coupon_statements,
    gift_rules,
    import_pages,
    imports,
    issue_pages,
    lists,
    member_coupon_panel,
    member_coupons,
    members,
    offline_page,
    offline_receipts,
    people,
    privacy,
    privacy_pages,
    profile,
    redeem_batches,
    segments,
    session,
    sync,
    sync_page,
    tags,
    today,
    trace,
    users,
)
from .blueprint import api
from .console import console


def blueprints() -> tuple[APIBlueprint, ...]:
    return (api, console)
