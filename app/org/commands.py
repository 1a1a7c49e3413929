"""Writes of the organisation; they join the open transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select

from app.core import crypto
from app.core.db import session
from app.core.errors import Invalid

from .models import ApiClient, Brand, Dealer, Guide, PlatformAccount, Region, Store
from .rules import ACCOUNT_CONTEXT, API_SECRET_CONTEXT


def create_brand(*, code: str, name: str, timezone: str = "Asia/Shanghai") -> Brand:
    """A new brand; an unknown time zone raises Invalid."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid("There is no such time zone.", timezone=timezone) from error
    row = Brand(code=code, name=name, timezone=timezone)
    session.add(row)
    session.flush()
    return row


def create_store(
    *, brand_id: int, code: str, name: str, region: str, dealer: str | None = None, department_id: int | None = None
) -> Store:
    """A new store; its region and dealer are named, and made when the brand has none of that code yet."""
    row = Store(
        brand_id=brand_id,
        code=code,
        name=name,
        region_id=_named(Region, brand_id, region),
        dealer_id=_named(Dealer, brand_id, dealer) if dealer else None,
        department_id=department_id,
    )
    session.add(row)
    session.flush()
    return row


def _named(kind: type[Region] | type[Dealer], brand_id: int, code: str) -> int:
    found = session.scalar(select(kind.id).where(kind.brand_id == brand_id, kind.code == code))
    if found is None:
        row = kind(brand_id=brand_id, code=code, name=code)
        session.add(row)
        session.flush()
        found = row.id
    return found


def create_guide(*, store: Store, corp_id: str, userid: str, name: str, manager: bool = False) -> Guide:
    """A new member of a store's staff, by their WeCom userid in the brand's corp."""
    row = Guide(
        brand_id=store.brand_id,
        store_id=store.id,
        corp_id=corp_id,
        userid=userid,
        name=name,
        role="store_manager" if manager else "guide",
    )
    session.add(row)
    session.flush()
    return row


def set_account(
    *,
    brand_id: int,
    kind: str,
    namespace: str,
    open_platform: str,
    secret: str,
    callback_token: str = "",
    callback_aes_key: str = "",
    agent_id: int | None = None,
) -> PlatformAccount:
    """Create or replace a brand's platform account of a kind; secrets are stored encrypted."""
    row = session.scalar(
        select(PlatformAccount).where(PlatformAccount.brand_id == brand_id, PlatformAccount.kind == kind)
    )
    if row is None:
        row = PlatformAccount(brand_id=brand_id, kind=kind)
        session.add(row)
    row.namespace, row.open_platform, row.agent_id = namespace, open_platform, agent_id
    row.secret = crypto.encrypt(secret, context=ACCOUNT_CONTEXT)
    row.callback_token = crypto.encrypt(callback_token, context=ACCOUNT_CONTEXT)
    row.callback_aes_key = crypto.encrypt(callback_aes_key, context=ACCOUNT_CONTEXT)
    session.flush()
    return row


def create_api_client(
    *,
    brand_id: int,
    name: str,
    store_ids: Sequence[int] | None = None,
    key_id: str | None = None,
    secret: str | None = None,
) -> tuple[ApiClient, str]:
    """A new till or mall key and its secret, which is shown this once. `store_ids` None: every store of the brand."""
    secret = secret or secrets.token_urlsafe(32)
    row = ApiClient(
        brand_id=brand_id,
        key_id=key_id or f"key_{secrets.token_hex(8)}",
        secret=crypto.encrypt(secret, context=API_SECRET_CONTEXT),
        name=name,
        store_ids=None if store_ids is None else list(store_ids),
    )
    session.add(row)
    session.flush()
    return row, secret
