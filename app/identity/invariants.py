"""What must always be true of persons: each statement returns the rows that break its rule."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "merge_pointers_are_flat": """
        SELECT loser.person_id FROM person AS loser JOIN person AS winner ON winner.person_id = loser.merged_into
        WHERE winner.merged_into IS NOT NULL
    """,
    "merge_pointer_ends_at_a_person": """
        SELECT loser.person_id FROM person AS loser LEFT JOIN person AS winner ON winner.person_id = loser.merged_into
        WHERE loser.merged_into IS NOT NULL AND winner.person_id IS NULL
    """,
    "merged_person_has_its_record": """
        SELECT person.person_id FROM person WHERE merged_into IS NOT NULL AND NOT EXISTS (
            SELECT FROM person_merge WHERE loser_id = person.person_id AND revoked_at IS NULL)
    """,
    "a_person_is_merged_away_once": """
        SELECT loser_id FROM person_merge WHERE revoked_at IS NULL GROUP BY loser_id HAVING count(*) > 1
    """,
    "merge_stands_for_a_merged_person": """
        SELECT merge_id FROM person_merge JOIN person ON person.person_id = person_merge.loser_id
        WHERE revoked_at IS NULL AND person.merged_into IS NULL
    """,
    "merged_persons_share_their_winner": """
        SELECT merge_id FROM person_merge JOIN person AS loser ON loser.person_id = person_merge.loser_id
        JOIN person AS winner ON winner.person_id = person_merge.winner_id
        WHERE revoked_at IS NULL AND loser.merged_into <> coalesce(winner.merged_into, winner.person_id)
    """,
    "kept_apart_stays_apart": """
        SELECT identity_review.id FROM identity_review JOIN person AS a ON a.person_id = person_a
        JOIN person AS b ON b.person_id = person_b
        WHERE identity_review.status <> 'merged'
            AND coalesce(a.merged_into, a.person_id) = coalesce(b.merged_into, b.person_id)
    """,
    "released_id_left_its_person": """
        SELECT identity_release.release_id FROM identity_release
        JOIN identity USING (kind, namespace, value, person_id)
        WHERE identity.linked_at < identity_release.released_at
    """,
    "identity_has_its_person": """
        SELECT identity.kind, identity.namespace FROM identity LEFT JOIN person USING (person_id)
        WHERE person.person_id IS NULL
    """,
    "one_unionid_a_person": """
        SELECT coalesce(person.merged_into, person.person_id) AS person_id, identity.namespace
        FROM identity JOIN person USING (person_id) WHERE identity.kind = 'unionid'
        GROUP BY 1, 2 HAVING count(*) > 1
    """,
}
