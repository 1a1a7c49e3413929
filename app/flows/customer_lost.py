"""A relation ended: the customer left the guide, or the guide deleted the customer; or a transfer failed."""

from __future__ import annotations

from app.channels import commands, queries
from app.channels.events import CustomerLost, TransferFailed
from app.core.inbox import Inbox
from app.core.outbox import emit
from app.identity import queries as identity
from app.identity.rules import Identity

from .relation import note, optional, relation

_BY_GUIDE = ".del_external_contact"


def handle(row: Inbox) -> None:
    """For del_follow_user (the customer leaves; the guide still sees them) and del_external_contact (all is gone)."""
    told = relation(row)
    by_guide = row.kind.endswith(_BY_GUIDE)
    known = queries.follow(told.corp_id, told.userid, told.external_userid)
    # The end came before the beginning: without a row, the late beginning would look like a standing relation.
    if known is None and note(told, source="wecom.customer_lost", ended=True) is None:
        return
    follow = commands.mark_lost(
        corp_id=told.corp_id,
        userid=told.userid,
        external_userid=told.external_userid,
        at=told.at,
        deleted=by_guide,
    )
    if follow is None:
        return
    emit(
        CustomerLost(
            brand_id=told.brand_id,
            person_id=follow.person_id,
            corp_id=told.corp_id,
            userid=told.userid,
            external_userid=told.external_userid,
            at=int(told.at.timestamp()),
            by="guide" if by_guide else "customer",
            transferred=optional(row, "Source") == "DELETE_BY_TRANSFER",
        )
    )


def stayed(row: Inbox) -> None:
    """For transfer_fail: a customer was to go to the guide `UserID` and did not (customer_refused or
    customer_limit_exceed). The relation they had stands, and nothing was begun with the new guide.
    """
    told = relation(row)
    emit(
        TransferFailed(
            brand_id=told.brand_id,
            person_id=identity.person_of(Identity("external_userid", told.corp_id, told.external_userid)),
            corp_id=told.corp_id,
            userid=told.userid,
            external_userid=told.external_userid,
            at=int(told.at.timestamp()),
            reason=optional(row, "FailReason") or "unknown",
        )
    )
