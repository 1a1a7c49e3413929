"""One human across the brands of the group, for users of the group and as far as that human agreed."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields

from app.core import audit, ids
from app.core.errors import NotFound
from app.core.fields import PublicId
from app.core.transaction import transaction
from app.identity import queries as identity
from app.members import queries as members
from app.org import queries as org
from app.privacy import queries as privacy
from app.privacy.rules import GROUP_SHARING

from . import scope
from .blueprint import api


class MembershipOut(Schema):
    brand = PublicId("brd", attribute="brand_id")
    brand_name = fields.String()
    member = PublicId("mbr", attribute="member_id")
    number = fields.String()
    status = fields.String()
    joined_at = fields.AwareDateTime()


class PersonOut(Schema):
    """`memberships`: the reader's own brand's, or for users of the group those of the brands in which the person agreed
    that the group may know.
    """

    id = PublicId("prs", attribute="person_id")
    memberships = fields.List(fields.Nested(MembershipOut))


@api.get("/people/<person_id>")
@api.output(PersonOut)
@api.doc(summary="A person across the brands of the group", security="AdminToken", responses=[401, 403, 404])
def person(person_id: str) -> dict[str, Any]:
    """Other brands are for users of the whole group, and only as far as the person agreed to it. The reading is
    audited. A person whom the reader's brand does not know is not there.
    """
    me = scope.current()
    root = identity.resolve(ids.decode("prs", person_id))
    theirs = [one for one in members.memberships(root) if me.group or one.brand_id == me.brand_id]
    if not theirs:
        raise NotFound()
    names = {brand.id: brand.name for brand in org.brands()}
    with transaction():
        audit.record(actor=me.actor, action="people.viewed", subject=ids.encode("prs", root))
    return {
        "person_id": root,
        "memberships": [
            {name: getattr(one, name) for name in ("brand_id", "member_id", "number", "status", "joined_at")}
            | {"brand_name": names[one.brand_id]}
            for one in theirs
            if not me.group or privacy.allowed(one.brand_id, one.member_id, GROUP_SHARING)
        ],
    }
