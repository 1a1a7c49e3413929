"""Writes of the organisation; they join the open transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from argon2 import PasswordHasher
from sqlalchemy import select

from app.core import crypto
from app.core.db import session

from .models import AdminUser, ApiClient, PlatformAccount
from .rules import ACCOUNT_CONTEXT, API_SECRET_CONTEXT

_hasher = PasswordHasher()


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


def create_admin(
    *,
    login: str,
    password: str,
    name: str,
    role: str,
    brand_id: int | None = None,
    region_id: int | None = None,
    dealer_id: int | None = None,
    store_id: int | None = None,
) -> AdminUser:
    """A new console user. The scope ids must fit the role (checked by the table)."""
    row = AdminUser(
        login=login,
        password_hash=_hasher.hash(password),
        name=name,
        role=role,
        brand_id=brand_id,
        region_id=region_id,
        dealer_id=dealer_id,
        store_id=store_id,
    )
    session.add(row)
    session.flush()
    return row
