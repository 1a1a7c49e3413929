"""Tables of the organisation. All are small and copied to every node of a distributed database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
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


class Department(Base):
    """A department of a corp. `changed_at` is the moment of the newest news applied (see `staff`); a deleted one stays
    as a tombstone, so that late news of it is known to be late.
    """

    __tablename__ = "department"
    __table_args__ = (_REFERENCE,)

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    department_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    parent_id: Mapped[int | None]
    name: Mapped[str]
    sort: Mapped[int] = mapped_column(default=0)
    deleted_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class Staff(Base):
    """A member of a corp's address book. `status` is WeCom's: 1 active, 2 disabled, 4 not activated, 5 left (also when
    the entry was deleted). `departments` and `leader_of` are lists of department ids.
    """

    __tablename__ = "staff"
    __table_args__ = (CheckConstraint("status IN (1, 2, 4, 5)", name="status"), _REFERENCE)

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    userid: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    name: Mapped[str]
    status: Mapped[int]
    departments: Mapped[list[Any]]
    main_department: Mapped[int | None]
    leader_of: Mapped[list[Any]]
    changed_at: Mapped[datetime]


class StaffRename(Base):
    """A userid became another at a moment: what was said of the old one before then is about the new one."""

    __tablename__ = "staff_rename"
    __table_args__ = (_REFERENCE,)

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    userid: Mapped[str] = mapped_column(primary_key=True)
    renamed_at: Mapped[datetime] = mapped_column(primary_key=True)
    brand_id: Mapped[int] = mapped_column(ForeignKey("brand.id"))
    new_userid: Mapped[str]


class PlatformAccount(Base):
    """A WeCom corp app, mini-program or official account of a brand, or the suite of a service provider that works for
    it (namespace: the suite id). `secret`, `callback_*` are ciphertexts.

    `open_platform` names the Open Platform account whose unionids its users carry.
    """

    __tablename__ = "platform_account"
    __table_args__ = (
        UniqueConstraint("kind", "namespace"),
        UniqueConstraint("brand_id", "kind"),
        CheckConstraint("kind IN ('wecom', 'miniprogram', 'official', 'suite')", name="kind"),
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
    """Someone of HQ, a region, a dealer or a store who works in the console. `brand_id` NULL: the whole group.

    `factor_secret` is the sealed seed of one-time codes, asked for since `factor_since`; `factor_step` is the time step
    of the last code that was accepted, so that none works twice. `recovery_codes` are MACs of those not yet used.
    """

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
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=false())
    factor_secret: Mapped[str | None]
    factor_since: Mapped[datetime | None]
    factor_step: Mapped[int] = mapped_column(default=0, server_default="0")
    recovery_codes: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))


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
