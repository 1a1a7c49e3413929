"""A guide puts tags on the customer beside the chat and takes them off; what follows from orders is shown."""

from __future__ import annotations

from sqlalchemy import select
from tagging import tag_id

from app.core import clock, ids
from app.core.audit import AuditLog
from app.core.db import session
from app.core.transaction import transaction
from app.segments import commands
from app.segments.models import MemberTag


def test_a_guide_tags_her_customer(counter) -> None:
    counter.sign_in(counter.world.guide)
    brand = counter.world.brand_id
    with transaction():
        new, worn = (ids.encode("tag", tag_id(brand, name)) for name in ("周末到店", "敏感肌"))
    shown = {tag["name"]: tag["held"] for tag in counter.get("customers/wm-1/tags").json["items"]}
    assert shown == {"周末到店": False, "敏感肌": True}
    answer = counter.post("customers/wm-1/tags", {"put": [new], "off": [worn]})
    assert answer.status_code == 200
    assert {tag["name"]: tag["held"] for tag in answer.json["items"]} == {"周末到店": True, "敏感肌": False}
    assert counter.get("customers/wm-1").json["member"]["tags"] == ["周末到店"]
    rows = session.scalars(select(MemberTag).order_by(MemberTag.held)).all()
    guide = ids.encode("gde", counter.world.guide.id)
    assert {(row.source, row.said_by, row.held) for row in rows} == {("manual", guide, True), ("manual", guide, False)}
    told = session.scalars(select(AuditLog).where(AuditLog.action == "members.tags_changed")).one()
    assert told.actor == guide


def test_what_is_no_tag_or_no_customer_of_hers_is_not_there(counter) -> None:
    counter.sign_in(counter.world.guide)
    assert counter.post("customers/wm-1/tags", {"put": [ids.encode("tag", 5)]}).status_code == 404
    assert counter.post("customers/wm-1/tags", {"put": ["nonsense"]}).status_code == 404
    assert counter.post("customers/wm-other/tags", {"put": []}).status_code == 404
    assert counter.get("customers/wm-other/tags").status_code == 404


def test_traits_are_shown_in_words(counter) -> None:
    counter.sign_in(counter.world.guide)
    before = counter.get("customers/wm-1").json["member"]
    assert (before["lifecycle"], before["avg_fen"]) == (None, None)
    with transaction():
        commands.refresh_traits(brand_id=counter.world.brand_id, member_ids=[counter.member_id], as_of=clock.now())
    assert counter.get("customers/wm-1").json["member"]["lifecycle"] == "新客"
