"""A customer added a guide: the relation is noted and the external userid becomes a person's.

Welcome and contact details are reactions to the event this flow emits, so they cannot hold up or undo the record.
"""

from __future__ import annotations

from app.channels import refresh
from app.channels.events import CustomerAdded
from app.core.inbox import Inbox
from app.core.outbox import emit

from . import people
from .relation import note, optional, relation


def handle(row: Inbox) -> None:
    """For add_external_contact and add_half_external_contact (added by a code that skips the guide's consent).

    The half-added contact counts: the customer can write to the guide. When the guide confirms, the second event finds
    the relation standing and is news only if it brings a welcome code.
    """
    told = relation(row)
    state, welcome_code = optional(row, "State"), optional(row, "WelcomeCode")
    noted = note(told, source="wecom.customer_added", state=state, own_act=True)
    if noted is None:
        return
    guide, person_id, new = noted
    if not new:
        # Late news: what is known may be only the relation's end, and who the customer is was never asked.
        refresh.want(brand_id=told.brand_id, corp_id=told.corp_id, kind="contact", key=told.external_userid)
    if new:
        people.adopt(brand_id=told.brand_id, person_id=person_id)
    if new or welcome_code:
        emit(
            CustomerAdded(
                brand_id=told.brand_id,
                person_id=person_id,
                corp_id=told.corp_id,
                userid=told.userid,
                external_userid=told.external_userid,
                at=int(told.at.timestamp()),
                welcome_code=welcome_code,
                state=state,
                guide_id=guide.id if guide else None,
                store_id=guide.store_id if guide else None,
                new=new,
            )
        )
