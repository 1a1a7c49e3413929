"""`flask brand|store|guide|account|admin|client`: the first rows of a real deployment. Secrets are asked for, never
arguments."""

from __future__ import annotations

from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from app.core import audit, ids
from app.core.errors import SiyuError
from app.core.transaction import transaction
from app.flows import accounts
from app.org import admins, commands, queries, second_factor
from app.org.models import Brand
from app.settings import Settings

brand = AppGroup("brand", help="Brands of the group.")
account = AppGroup("account", help="WeCom and WeChat accounts of a brand.")
admin = AppGroup("admin", help="Console users.")
client = AppGroup("client", help="API keys of tills, malls and ERPs.")

store = AppGroup("store", help="Stores of a brand.")
guide = AppGroup("guide", help="Store staff.")

GROUPS = (brand, store, guide, account, admin, client)
ACTOR = "command-line"


def _brand(code: str) -> Brand:
    found = queries.brand_by_code(code)
    if found is None:
        raise click.BadParameter(f"there is no brand {code!r}")
    return found


@brand.command("create")
@click.argument("code")
@click.argument("name")
@click.option("--timezone", default="Asia/Shanghai", show_default=True, help="Decides the brand's days.")
def create_brand(code: str, name: str, timezone: str) -> None:
    """Create a brand."""
    with transaction():
        made = commands.create_brand(code=code, name=name, timezone=timezone)
        audit.record(actor=ACTOR, action="brand.create", subject=ids.encode("brd", made.id))
        click.echo(ids.encode("brd", made.id))


@store.command("create")
@click.argument("brand_code")
@click.argument("code")
@click.argument("name")
@click.option("--region", required=True, help="Its region's code; made when it is new.")
@click.option("--dealer", help="Its dealer's code, for a franchised store; made when it is new.")
def create_store(brand_code: str, code: str, name: str, region: str, dealer: str | None) -> None:
    """Create a store; tills name it by its code."""
    with transaction():
        found = _brand(brand_code)
        if queries.store_by_code(found.id, code) is not None:
            raise click.BadParameter(f"the brand has a store {code!r} already")
        made = commands.create_store(brand_id=found.id, code=code, name=name, region=region, dealer=dealer)
        audit.record(actor=ACTOR, action="store.create", subject=ids.encode("sto", made.id))
    click.echo(f"{code} {name}")


@guide.command("create")
@click.argument("brand_code")
@click.argument("store_code")
@click.argument("userid")
@click.argument("name")
@click.option("--manager", is_flag=True, help="The store's manager.")
def create_guide(brand_code: str, store_code: str, userid: str, name: str, manager: bool) -> None:
    """Make a WeCom member of the brand's corp a guide of a store; set the WeCom account first."""
    with transaction():
        found = _brand(brand_code)
        where, corp = queries.store_by_code(found.id, store_code), queries.account(found.id, "wecom")
        if where is None:
            raise click.BadParameter(f"there is no store {store_code!r} in that brand")
        if corp is None:
            raise click.UsageError("the brand has no WeCom account yet: flask account set")
        if queries.guide_by_userid(corp.namespace, userid) is not None:
            raise click.BadParameter(f"{userid!r} is a guide already")
        made = commands.create_guide(store=where, corp_id=corp.namespace, userid=userid, name=name, manager=manager)
        audit.record(actor=ACTOR, action="guide.create", subject=ids.encode("gde", made.id))
    click.echo(f"{userid} works in {store_code}")


@account.command("set")
@click.argument("brand_code")
@click.argument("kind", type=click.Choice(["wecom", "miniprogram", "official", "suite"]))
@click.argument("namespace", metavar="CORP_ID|APPID")
@click.option("--open-platform", required=True, help="Name of the Open Platform account that its unionids belong to.")
@click.option("--agent-id", type=int, help="The WeCom app's AgentId.")
@click.option("--secret", prompt=True, hide_input=True, envvar="ACCOUNT_SECRET")
@click.option("--callback-token", prompt=True, hide_input=True, envvar="ACCOUNT_CALLBACK_TOKEN")
@click.option("--callback-aes-key", prompt=True, hide_input=True, envvar="ACCOUNT_CALLBACK_AES_KEY")
def set_account(
    brand_code: str,
    kind: str,
    namespace: str,
    open_platform: str,
    agent_id: int | None,
    secret: str,
    callback_token: str,
    callback_aes_key: str,
) -> None:
    """Set the credentials of a brand's corp app or mini-program; secrets are prompted for or read from ACCOUNT_*."""
    if kind == "wecom" and agent_id is None:
        raise click.UsageError("a WeCom account needs --agent-id")
    with transaction():
        found = _brand(brand_code)
        commands.set_account(
            brand_id=found.id,
            kind=kind,
            namespace=namespace,
            open_platform=open_platform,
            secret=secret,
            callback_token=callback_token,
            callback_aes_key=callback_aes_key,
            agent_id=agent_id,
        )
        audit.record(actor=ACTOR, action="account.set", subject=ids.encode("brd", found.id), kind=kind)
    click.echo(f"{kind} {namespace} is set; callbacks go to PUBLIC_URL/hooks/{kind}/{namespace}")


@account.command("pay-notices")
def pay_notices() -> None:
    """Tell WeChat Pay where notices of product coupons go; needed once, before campaigns are shown there."""
    gateway, known = accounts.product_coupons(), accounts.pay()
    if gateway is None or known is None:
        raise click.UsageError("the environment names no account at WeChat Pay (WXPAY_..)")
    settings: Settings = current_app.extensions["siyu"]
    url = f"{settings.public_url.rstrip('/')}/hooks/wxpay/{known.id}"
    gateway.notify_at(url)
    with transaction():
        audit.record(actor=ACTOR, action="account.pay_notices", subject=f"wxpay:{known.id}", url=url)
    click.echo(f"notices go to {url}")


@admin.command("create")
@click.argument("login")
@click.argument("name")
@click.option("--brand", "brand_code", help="Brand the user works for; without it, the whole group.")
@click.option("--region", "region_code", help="Let them see that region's stores.")
@click.option("--dealer", "dealer_code", help="Let them see that dealer's stores.")
@click.option("--store", "store_code", help="Make this a store manager of that store.")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, envvar="ADMIN_PASSWORD")
def create_admin(login: str, name: str, brand_code: str | None, password: str, **codes: str | None) -> None:
    """Create a console user: headquarters, or the people of one region, dealer or store."""
    named = {column.removesuffix("_code"): code for column, code in codes.items() if code}
    if len(named) > 1 or (named and not brand_code):
        raise click.UsageError("name a brand and at most one of --region, --dealer, --store")
    with transaction():
        found = _brand(brand_code) if brand_code else None
        places: dict[str, Any] = {f"{kind}_id": _place(found, kind, code) for kind, code in named.items() if found}
        try:
            made = admins.create_admin(
                login=login,
                password=password,
                name=name,
                role=next(iter(named), "hq"),
                brand_id=found.id if found else None,
                **places,
            )
        except SiyuError as refused:
            raise click.BadParameter(refused.message) from refused
        audit.record(actor=ACTOR, action="admin.create", subject=ids.encode("adm", made.id), role=made.role)
    click.echo(f"{login} may sign in as {made.role}")


@admin.command("reset")
@click.argument("login")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, envvar="ADMIN_PASSWORD")
def reset_admin(login: str, password: str) -> None:
    """Give a locked-out user another password and take their second factor away: both are set up anew."""
    with transaction():
        user = queries.admin_user(login)
        if user is None:
            raise click.BadParameter(f"there is no console user {login!r}")
        admins.set_password(admin_id=user.id, password=password, must_change=True)
        second_factor.remove(admin_id=user.id)
        audit.record(actor=ACTOR, action="admin.reset", subject=ids.encode("adm", user.id))
    click.echo(f"{login} may sign in with that password and has to change it")


def _place(brand: Brand, kind: str, code: str) -> int:
    places: Any = {"region": queries.regions, "dealer": queries.dealers, "store": queries.stores}[kind](brand.id)
    found: int | None = next((one.id for one in places if one.code == code), None)
    if found is None:
        raise click.BadParameter(f"there is no {kind} {code!r} in that brand")
    return found


@client.command("create")
@click.argument("brand_code")
@click.argument("name")
@click.option("--store", "store_codes", multiple=True, help="A store it may act in; without any, all.")
def create_client(brand_code: str, name: str, store_codes: tuple[str, ...]) -> None:
    """Create an API key; its secret is printed this once."""
    with transaction():
        found = _brand(brand_code)
        stores = {store.code: store.id for store in queries.stores(found.id)}
        if unknown := sorted(set(store_codes) - set(stores)):
            raise click.BadParameter(f"there is no store {', '.join(unknown)}")
        made, secret = commands.create_api_client(
            brand_id=found.id, name=name, store_ids=[stores[code] for code in store_codes] if store_codes else None
        )
        audit.record(actor=ACTOR, action="client.create", subject=made.key_id)
    click.echo(f"key {made.key_id}\nsecret {secret}")
