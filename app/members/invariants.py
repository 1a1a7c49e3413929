"""What must always be true of memberships: each statement returns the rows that break its rule."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "membership_has_its_member": """
        SELECT membership.brand_id, membership.member_id FROM membership LEFT JOIN member USING (brand_id, member_id)
        WHERE member.member_id IS NULL OR member.person_id <> membership.person_id
    """,
    "member_has_its_membership": """
        SELECT member.brand_id, member.member_id FROM member LEFT JOIN membership USING (brand_id, member_id)
        WHERE membership.member_id IS NULL AND member.status <> 'erased'
    """,
    "membership_of_a_living_person": """
        SELECT membership.brand_id, membership.person_id FROM membership LEFT JOIN person USING (person_id)
        WHERE person.person_id IS NULL OR person.merged_into IS NOT NULL
    """,
    "member_has_its_number": """
        SELECT member.brand_id, member.member_id FROM member LEFT JOIN member_number USING (brand_id, number)
        WHERE member_number.member_id IS DISTINCT FROM member.member_id
    """,
}
