"""What must always be true of memberships: each statement returns the rows that break its rule."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "membership_has_its_member": """
        SELECT membership.brand_id, membership.member_id FROM membership LEFT JOIN member USING (brand_id, member_id)
        WHERE member.member_id IS NULL OR member.person_id <> membership.person_id
    """,
    "member_has_its_membership": """
        SELECT member.brand_id, member.member_id FROM member LEFT JOIN membership USING (brand_id, member_id)
        WHERE membership.member_id IS NULL AND member.status NOT IN ('erased', 'merged')
    """,
    "membership_of_a_living_person": """
        SELECT membership.brand_id, membership.person_id FROM membership LEFT JOIN person USING (person_id)
        WHERE person.person_id IS NULL OR person.merged_into IS NOT NULL
    """,
    "membership_of_a_living_member": """
        SELECT membership.brand_id, membership.member_id FROM membership JOIN member USING (brand_id, member_id)
        WHERE member.status = 'merged'
    """,
    "merged_member_points_at_a_living_one": """
        SELECT loser.brand_id, loser.member_id FROM member AS loser
        LEFT JOIN member AS winner ON winner.brand_id = loser.brand_id AND winner.member_id = loser.merged_into
        WHERE loser.merged_into IS NOT NULL AND (winner.member_id IS NULL OR winner.merged_into IS NOT NULL)
    """,
    "merged_members_are_one_person": """
        SELECT loser.brand_id, loser.member_id FROM member AS loser
        JOIN member AS winner ON winner.brand_id = loser.brand_id AND winner.member_id = loser.merged_into
        WHERE winner.person_id <> loser.person_id
    """,
    "merged_member_has_its_record": """
        SELECT member.brand_id, member.member_id FROM member
        LEFT JOIN member_merge ON member_merge.brand_id = member.brand_id
            AND member_merge.loser_id = member.member_id AND member_merge.revoked_at IS NULL
        WHERE (member.merged_into IS NOT NULL) <> (member_merge.merge_id IS NOT NULL)
    """,
    "a_member_is_merged_away_once": """
        SELECT brand_id, loser_id FROM member_merge WHERE revoked_at IS NULL
        GROUP BY brand_id, loser_id HAVING count(*) > 1
    """,
    "members_merge_because_persons_did": """
        SELECT member_merge.brand_id, member_merge.merge_id FROM member_merge
        LEFT JOIN person_merge ON person_merge.merge_id = member_merge.person_merge_id
        WHERE person_merge.merge_id IS NULL
            OR (member_merge.revoked_at IS NULL AND person_merge.revoked_at IS NOT NULL)
    """,
    "member_belongs_to_whom_joined": """
        SELECT member.brand_id, member.member_id FROM member JOIN person ON person.person_id = member.origin_person_id
        WHERE coalesce(person.merged_into, person.person_id) <> member.person_id
    """,
    "member_has_its_number": """
        SELECT member.brand_id, member.member_id FROM member LEFT JOIN member_number USING (brand_id, number)
        WHERE member_number.member_id IS DISTINCT FROM member.member_id
    """,
}
