"""Somebody of the staff became a guide, or left: what hangs on them follows."""

from __future__ import annotations

from app.channels import commands as channels
from app.org.events import GuideJoined, GuideLeft
from app.sop import commands as sop

from . import people


def on_joined(event: GuideJoined) -> None:
    """Whoever added them before they were a guide is the guide's customer now."""
    persons = channels.own_follows(corp_id=event.corp_id, userid=event.userid, guide_id=event.guide_id)
    for person_id in sorted(set(persons)):
        people.adopt(brand_id=event.brand_id, person_id=person_id)


def on_left(event: GuideLeft) -> None:
    """Their open tasks go to the colleagues of the store, else to its manager. Whose customers they were stays written
    with each member, until WeCom hands the customers over to somebody.
    """
    sop.leave(brand_id=event.brand_id, guide_id=event.guide_id)
