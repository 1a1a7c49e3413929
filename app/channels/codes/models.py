"""Tables of channel codes and of arrivals by them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context, ids
from app.core.db import Base, distribution


class ChannelCode(Base):
    """One code. `state` is what comes back with every customer it brings, unique in the deployment.

    `status`: `ordered` while WeCom has not given its QR code, `live`, `failed` (WeCom refused, `error` says why) or
    `retired`. `version` counts what people asked for, `applied_version` what WeCom was told last; `busy_until` is set
    while one worker speaks to WeCom about the code. `reserved_at`: a creation was tried whose outcome is not known, so
    WeCom is searched for it before another try. `config_id` is the contact way's or link's id at WeCom, without which
    it can be neither changed nor deleted. `tag_ids` are corp tags put on customers who come, `valid_until` its end.
    """

    __tablename__ = "channel_code"
    __table_args__ = (
        CheckConstraint("kind IN ('contact_way', 'link', 'miniprogram')", name="kind"),
        CheckConstraint("status IN ('ordered', 'live', 'failed', 'retired')", name="status"),
        Index("ix_channel_code_brand_id", "brand_id"),
        Index(
            "ix_channel_code_unsettled",
            "changed_at",
            postgresql_where=text("applied_version < version"),
        ),
        Index(
            "ix_channel_code_valid_until",
            "valid_until",
            postgresql_where=text("valid_until IS NOT NULL AND status <> 'retired'"),
        ),
        distribution("reference"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    brand_id: Mapped[int]
    kind: Mapped[str] = mapped_column(default="contact_way")
    name: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(unique=True)
    store_id: Mapped[int | None]
    guide_id: Mapped[int | None]
    users: Mapped[list[Any]] = mapped_column(default=list)
    skip_verify: Mapped[bool] = mapped_column(default=True)
    tag_ids: Mapped[list[Any]] = mapped_column(default=list)
    welcome_material_id: Mapped[int | None]
    page: Mapped[str] = mapped_column(default="")
    valid_until: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(default="live")
    version: Mapped[int] = mapped_column(default=1)
    applied_version: Mapped[int] = mapped_column(default=1)
    busy_until: Mapped[datetime | None]
    reserved_at: Mapped[datetime | None]
    config_id: Mapped[str | None]
    qr_code: Mapped[str | None]
    error: Mapped[str | None]
    created_by: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)


class Arrival(Base):
    """Somebody came by a code, at Tencent's moment `at`: `added` a member of staff, or `opened` the mini-program or the
    official account.

    The person is whom the id belonged to then (follow merges when reading). `store_id` and `guide_id` are where it led
    to; `lost_at`: when the relation that began so ended.
    """

    __tablename__ = "arrival"
    __table_args__ = (
        CheckConstraint("kind IN ('added', 'opened')", name="kind"),
        CheckConstraint("(kind = 'added') = (external_userid IS NOT NULL)", name="contact"),
        Index("ix_arrival_code_id", "code_id", "at"),
        Index("ix_arrival_person_id", "person_id"),
        Index("ix_arrival_contact", "external_userid", "userid", postgresql_where=text("external_userid IS NOT NULL")),
        distribution("person_id"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    kind: Mapped[str]
    store_id: Mapped[int | None]
    guide_id: Mapped[int | None]
    userid: Mapped[str | None]
    external_userid: Mapped[str | None]
    lost_at: Mapped[datetime | None]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)
