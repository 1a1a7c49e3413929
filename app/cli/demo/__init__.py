"""`flask demo`: the demonstration brand with two years of history, and a Saturday that happens while you look."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import click
from flask import current_app
from flask.cli import AppGroup
from rich.progress import Progress
from sqlalchemy import text

from app.cli.traits import rebuild_brand
from app.core import clock
from app.core.db import session
from app.core.transaction import reading, transaction
from app.org import queries as org
from app.org.models import Brand
from app.segments import commands as segments
from app.settings import Settings
from app.tiers import queries as tiers
from app.tiers.rules import Step

from . import cases, promotions, simulated
from .lives import Ground, Shop, lives
from .load import Loader
from .organisation import (
    ADMIN_LOGIN,
    FINANCE_LOGIN,
    STORE_LOGIN,
    STORE_TILL_KEY,
    TILL_KEY,
    Founded,
    derived,
    derived_aes_key,
    found,
    password_of,
    plan,
)

group = AppGroup("demo", help="The demonstration brand.")


def _settings() -> Settings:
    settings: Settings = current_app.extensions["siyu"]
    if settings.production:
        raise click.ClickException("The demonstration brand does not belong in production.")
    return settings


@group.command("seed")
@click.option("--members", default=20_000, envvar="DEMO_MEMBERS", show_default=True, help="How many members.")
def seed(members: int) -> None:
    """Create the brand and its history unless they are there, and tell the simulator what it does not know yet."""
    settings = _settings()
    with reading():
        brand = _brand()
    if brand is None:
        with Progress() as progress, transaction():
            task = progress.add_task("Two years of members", total=members)
            founded = found(settings.secret_key)
            ground = _ground(founded)
            for done in Loader(founded, ground).load(lives(ground, members)):
                progress.advance(task, done)
            cases.second_cards(founded.brand.id, founded.stores)
            promotions.promote(founded)
        with transaction():
            session.execute(text("ANALYZE"))
        rebuild_brand(founded.brand.id)
    # Afterwards and from the database, so that a start that was cut short is made whole by the next one.
    if simulated.control_url() and not simulated.knows_the_brand(settings.public_url):
        with reading():
            brand = _brand()
            assert brand is not None
            world = simulated.world(brand, settings.secret_key, settings.public_url)
            till = simulated.till(brand, TILL_KEY, derived(settings.secret_key, "till-secret"))
        simulated.call("POST", "/seed", world)
        simulated.call("POST", "/till", till)


def _brand() -> Brand | None:
    return org.brand_by_code(plan()["brand"]["code"])


def _ground(founded: Founded) -> Ground:
    ladder = [
        Step(
            tier_id=tier.tier_id,
            code=tier.code,
            name=tier.name,
            rank=tier.rank,
            growth_from=tier.growth_from,
            points_rate_bp=tier.points_rate_bp,
        )
        for tier in tiers.ladder(founded.brand.id)
    ]
    row = plan()
    return Ground(
        zone=ZoneInfo(founded.brand.timezone),
        now=clock.now(),
        shops=[
            Shop(
                store_id=store.id,
                dealer=store.dealer_id is not None,
                guides=[guide.id for guide in founded.guides[store.id]],
                weight=3 / (1 + n * 0.12),
            )
            for n, store in enumerate(founded.stores)
        ],
        ladder=tuple(ladder),
        products=[tuple(product) for product in row["products"]],
        coupons=[founded.campaigns[campaign["code"]] for campaign in row["campaigns"] if campaign["claimable"]],
        surnames=row["surnames"],
        given=row["given"],
        tags=[segments.define_tag(brand_id=founded.brand.id, group_name=group, name=tag) for group, tag in row["tags"]],
        **row["tier_policy"],
        **row["earn_rule"],
    )


@group.command("credentials")
def credentials() -> None:
    """Print, as JSON, what an outside client needs to play Tencent, a till and HQ against this instance."""
    settings = _settings()
    key, wecom, mini = settings.secret_key, plan()["wecom"], plan()["miniprogram"]
    shown = {
        "brand": plan()["brand"]["code"],
        "wecom": {
            **wecom,
            "callback_url": f"{settings.public_url}/hooks/wecom/{wecom['corp_id']}",
            "callback_token": derived(key, "wecom-token"),
            "callback_aes_key": derived_aes_key(key, "wecom-aes"),
        },
        "miniprogram": {
            "appid": mini["appid"],
            "callback_url": f"{settings.public_url}/hooks/miniprogram/{mini['appid']}",
            "callback_token": derived(key, "miniprogram-token"),
            "callback_aes_key": derived_aes_key(key, "miniprogram-aes"),
        },
        "till": {"key_id": TILL_KEY, "secret": derived(key, "till-secret"), "stores": "all"},
        "store_till": {"key_id": STORE_TILL_KEY, "secret": derived(key, "store-till-secret"), "stores": ["S001"]},
        **{
            name: {"login": login, "password": password_of(key, login)}
            for name, login in (("admin", ADMIN_LOGIN), ("finance", FINANCE_LOGIN), ("store_manager", STORE_LOGIN))
        },
        "pages": {
            "console": f"{settings.public_url}/console/",
            "official_account": f"{settings.public_url}/api/miniapp/v1/official/start",
            "api": f"{settings.public_url}/docs",
            **simulated.pages(),
        },
    }
    click.echo(json.dumps(shown, ensure_ascii=False, indent=2))


@group.command("play")
@click.option("--scans-per-hour", default=600, show_default=True, help="Customers who scan a guide's code.")
@click.option("--minutes", default=60, show_default=True, help="How long.")
def play(scans_per_hour: int, minutes: int) -> None:
    """Play "Saturday launch" live on the running instance."""
    _settings()
    if simulated.control_url() is None:
        raise click.ClickException("SIMULATOR_URL is not set: there is nobody to play Tencent.")
    simulated.call("POST", "/scenario", {"name": "saturday", "scans_per_hour": scans_per_hour, "seconds": minutes * 60})
    click.echo(f"Saturday launch is on: {scans_per_hour} scans an hour for {minutes} minutes.")
