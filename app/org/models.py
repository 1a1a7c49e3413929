"""Tables of the organisation. All are small and copied to every node of a distributed database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, ids
from app.core.db import Base, distribution

_REFERENCE = distribution("reference")


def _primary_key() -> Mapped[int]:
    return mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)


class Brand(Base):
    """A tenant: one brand of the group."""

    __tablename__ = "brand"
    __table_args__ = (_REFERENCE,)

    id: Mapped[int] = _primary_key()
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str] = mapped_column(default="Asia/Shanghai")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


class Region(Base):
    __tablename__ = "region"
    __table_args__ = (UniqueConstraint("brand_id", "code"), _REFERENCE)

    id: Mapped[int] = _primary_key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    code: Mapped[str]
    name: Mapped[str]


class Dealer(Base):
    """A franchisee that owns some stores."""

    __tablename__ = "dealer"
    __table_args__ = (UniqueConstraint("brand_id", "code"), _REFERENCE)

    id: Mapped[int] = _primary_key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    code: Mapped[str]
    name: Mapped[str]


class Store(Base):
    __tablename__ = "store"
    __table_args__ = (
        UniqueConstraint("brand_id", "code"),
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        _REFERENCE,
    )

    id: Mapped[int] = _primary_key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    code: Mapped[str]
    name: Mapped[str]
    region_id: Mapped[int] = mapped_column(ForeignKey("region.id"))
    dealer_id: Mapped[int | None] = mapped_column(ForeignKey("dealer.id"))
    department_id: Mapped[int | None]
    status: Mapped[str] = mapped_column(default="open")


class Guide(Base):
    """Store staff with a WeCom userid. `corp_id` is part of the key because a userid means nothing without its corp."""

    __tablename__ = "guide"
    __table_args__ = (
        UniqueConstraint("corp_id", "userid"),
        CheckConstraint("role IN ('guide', 'store_manager')", name="role"),
        CheckConstraint("status IN ('active', 'left')", name="status"),
        Index("ix_guide_store_id", "store_id"),
        _REFERENCE,
    )

    id: Mapped[int] = _primary_key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    corp_id: Mapped[str]
    userid: Mapped[str]
    name: Mapped[str]
    role: Mapped[str] = mapped_column(default="guide")
    status: Mapped[str] = mapped_column(default="active")


class PlatformAccount(Base):
    """A WeCom corp app, mini-program or official account of a brand. `secret`, `callback_*` are ciphertexts.

    `open_platform` names the Open Platform account whose unionids its users carry.
    """

    __tablename__ = "platform_account"
    __table_args__ = (
        UniqueConstraint("kind", "namespace"),
        UniqueConstraint("brand_id", "kind"),
        CheckConstraint("kind IN ('wecom', 'miniprogram', 'official')", name="kind"),
        _REFERENCE,
    )

    id: Mapped[int] = _primary_key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    kind: Mapped[str]
    namespace: Mapped[str]
    open_platform: Mapped[str]
    agent_id: Mapped[int | None]
    secret: Mapped[str]
    callback_token: Mapped[str]
    callback_aes_key: Mapped[str]


class AdminUser(Base):
    """Someone of HQ, a region, a dealer or a store who works in the console. `brand_id` NULL: the whole group."""

    __tablename__ = "admin_user"
    __table_args__ = (
        CheckConstraint("role IN ('hq', 'region', 'dealer', 'store')", name="role"),
        CheckConstraint(
            "role = 'hq' OR (role = 'region' AND region_id IS NOT NULL)"
            " OR (role = 'dealer' AND dealer_id IS NOT NULL) OR (role = 'store' AND store_id IS NOT NULL)",
            name="scope",
        ),
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        _REFERENCE,
    )

    id: Mapped[int] = _primary_key()
    brand_id: Mapped[int | None] = mapped_column(ForeignKey("brand.id"))
    login: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    name: Mapped[str]
    role: Mapped[str]
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"))
    dealer_id: Mapped[int | None] = mapped_column(ForeignKey("dealer.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    status: Mapped[str] = mapped_column(default="active")
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]


class ApiClient(Base):
    """A till system, mall or ERP. `store_ids` NULL: every store of the brand; `secret` is a ciphertext."""

    __tablename__ = "api_client"
    __table_args__ = (CheckConstraint("status IN ('active', 'disabled')", name="status"), _REFERENCE)

    id: Mapped[int] = _primary_key()
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    key_id: Mapped[str] = mapped_column(unique=True)
    secret: Mapped[str]
    name: Mapped[str]
    store_ids: Mapped[list[Any] | None]
    status: Mapped[str] = mapped_column(default="active")
