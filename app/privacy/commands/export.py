"""Copies of what we know of a member: asked for, kept sealed for a while, fetched."""

from __future__ import annotations

import base64

from sqlalchemy import select

from app.core import audit, clock, crypto, ids, outbox
from app.core.db import session
from app.members import family

from ..errors import ExportPending, ExportUnknown
from ..events import ExportAsked
from ..models import DataExport
from ..rules import EXPORT_CONTEXT, EXPORT_LIFE


def ask_export(*, brand_id: int, member_id: int, actor: str) -> DataExport:
    """Ask a worker for a copy; one that is being made, or that is ready for the same reader, is answered again."""
    member_id = family.keep(brand_id=brand_id, member_id=member_id)
    now = clock.now()
    for row in session.scalars(
        select(DataExport)
        .where(
            DataExport.brand_id == brand_id,
            DataExport.member_id == member_id,
            DataExport.actor == actor,
            DataExport.status.in_(("asked", "ready")),
        )
        .order_by(DataExport.export_id.desc())
    ):
        if row.status == "asked" or (row.expires_at is not None and row.expires_at > now):
            return row
    row = DataExport(brand_id=brand_id, member_id=member_id, actor=actor)
    session.add(row)
    session.flush()
    audit.record(actor=actor, action="privacy.export_asked", subject=ids.encode("mbr", member_id))
    outbox.emit(ExportAsked(brand_id=brand_id, member_id=member_id, export_id=row.export_id))
    return row


def keep_export(*, brand_id: int, member_id: int, export_id: int, content: bytes) -> None:
    """Keep a copy that was made, sealed, until it expires."""
    row = session.get(DataExport, (brand_id, member_id, export_id), with_for_update=True, populate_existing=True)
    if row is None or row.status != "asked":
        return
    row.content = crypto.encrypt(base64.b64encode(content).decode(), context=EXPORT_CONTEXT)
    row.status, row.size, row.ready_at = "ready", len(content), clock.now()
    row.expires_at = row.ready_at + EXPORT_LIFE
    session.flush()


def fetch_export(*, brand_id: int, member_id: int, export_id: int, actor: str) -> bytes:
    """The copy, for whoever asked for it; audited. Raises ExportUnknown (also once expired) and ExportPending."""
    row = session.get(DataExport, (brand_id, member_id, export_id), with_for_update=True, populate_existing=True)
    if row is None or row.actor != actor:
        raise ExportUnknown()
    if row.status == "asked":
        raise ExportPending()
    if row.content is None or row.expires_at is None or row.expires_at <= clock.now():
        raise ExportUnknown()
    row.fetched += 1
    audit.record(actor=actor, action="privacy.export_fetched", subject=ids.encode("mbr", member_id))
    session.flush()
    return base64.b64decode(crypto.decrypt(row.content, context=EXPORT_CONTEXT))
