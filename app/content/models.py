"""Material and its store overrides: small tables, copied to every node of a distributed database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, ids
from app.core.db import Base, distribution


class Material(Base):
    __tablename__ = "material"
    __table_args__ = (
        UniqueConstraint("brand_id", "code"),
        CheckConstraint("kind IN ('text', 'image', 'link', 'miniprogram')", name="kind"),
        CheckConstraint("status IN ('active', 'archived')", name="status"),
        distribution("reference"),
    )

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    material_id: Mapped[int] = mapped_column(primary_key=True, default=ids.new_id, autoincrement=False)
    code: Mapped[str]
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    image_url: Mapped[str | None]
    link_url: Mapped[str | None]
    page: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="active")
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)


class MaterialOverride(Base):
    """What one store says instead; a column that is NULL keeps the brand's wording."""

    __tablename__ = "material_override"
    __table_args__ = (distribution("reference"),)

    brand_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    material_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    store_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str | None]
    body: Mapped[str | None]
