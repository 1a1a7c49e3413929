"""What several answers of the mini-program API have in common."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields

from app.core.fields import PublicId
from app.identity import queries as identity
from app.members.models import Member
from app.members.rules import masked_phone


class MemberOut(Schema):
    id = PublicId("mbr", attribute="member_id")
    number = fields.String(metadata={"description": "The member number, ten digits with a check digit."})
    name = fields.String(allow_none=True)
    phone = fields.String(allow_none=True, metadata={"description": "Masked.", "example": "138****5678"})
    status = fields.String()
    joined_at = fields.AwareDateTime()
    bound_at = fields.AwareDateTime(allow_none=True)


def member_view(member: Member) -> dict[str, Any]:
    """A member as themselves see it."""
    phone = identity.phone_of(member.person_id)
    return {
        "member_id": member.member_id,
        "number": member.number,
        "name": member.plain_name,
        "phone": masked_phone(phone) if phone else None,
        "status": member.status,
        "joined_at": member.joined_at,
        "bound_at": member.bound_at,
    }
