"""What must always be true of privacy: each statement returns the rows that break its rule."""

from __future__ import annotations

_LAST_WORD = """
    SELECT DISTINCT ON (m.brand_id, m.member_id, c.purpose)
           m.brand_id, m.member_id, c.purpose, c.granted
    FROM member m
    JOIN person p ON p.person_id = m.person_id AND p.merged_into IS NULL
    JOIN consent c ON c.brand_id = m.brand_id AND c.person_id = m.person_id AND c.channel = 'any'
    WHERE m.status NOT IN ('erased', 'merged')
      AND c.purpose IN ('service', 'marketing', 'profiling')
      AND NOT EXISTS (SELECT FROM person q WHERE q.merged_into = m.person_id)
    ORDER BY m.brand_id, m.member_id, c.purpose, c.at DESC, c.granted
"""

INVARIANTS: dict[str, str] = {
    "opt_out_follows_the_last_word": f"""
        SELECT said.brand_id, said.member_id, said.purpose FROM ({_LAST_WORD}) AS said
        LEFT JOIN opt_out o ON o.brand_id = said.brand_id AND o.member_id = said.member_id
             AND o.purpose = said.purpose AND o.channel = 'any'
        WHERE said.granted <> (o.member_id IS NULL)
    """,
    "opt_out_of_a_member_who_lives": """
        SELECT o.brand_id, o.member_id FROM opt_out o LEFT JOIN member m USING (brand_id, member_id)
        WHERE m.member_id IS NULL OR m.status IN ('erased', 'merged')
    """,
    "opt_out_only_of_what_silence_allows": """
        SELECT brand_id, member_id, purpose FROM opt_out WHERE purpose NOT IN ('service', 'marketing', 'profiling')
    """,
    "opt_out_was_said": """
        SELECT o.brand_id, o.member_id, o.purpose FROM opt_out o JOIN member m USING (brand_id, member_id)
        JOIN person p ON p.person_id = m.person_id
        WHERE NOT EXISTS (
            SELECT FROM consent c JOIN person q ON q.person_id = c.person_id
            WHERE c.brand_id = o.brand_id AND c.purpose = o.purpose AND NOT c.granted
              AND coalesce(q.merged_into, q.person_id) = coalesce(p.merged_into, p.person_id))
    """,
    "consent_names_a_published_policy": """
        SELECT c.brand_id, c.consent_id FROM consent c LEFT JOIN privacy_policy p USING (brand_id, version)
        WHERE c.version IS NOT NULL AND p.version IS NULL
    """,
    "reveal_quota_counts_the_reveals": """
        SELECT q.brand_id, q.actor, q.day, q.used FROM reveal_quota q JOIN brand b ON b.id = q.brand_id
        WHERE q.used < (
            SELECT count(*) FROM reveal r WHERE r.brand_id = q.brand_id AND r.actor = q.actor
              AND (r.at AT TIME ZONE b.timezone)::date = q.day)
    """,
    # What is left of people who were erased.
    "erased_person_has_no_ids": """
        SELECT p.person_id, i.kind, i.namespace FROM person p JOIN identity i USING (person_id)
        WHERE p.erased_at IS NOT NULL
        UNION ALL SELECT p.person_id, r.kind, r.namespace FROM person p JOIN identity_release r USING (person_id)
        WHERE p.erased_at IS NOT NULL
    """,
    "erased_person_is_no_ones_winner": """
        SELECT loser.person_id FROM person loser JOIN person winner ON winner.person_id = loser.merged_into
        WHERE (loser.erased_at IS NULL) <> (winner.erased_at IS NULL)
    """,
    "erased_person_is_followed_by_nobody": """
        SELECT f.corp_id, f.userid FROM follow f JOIN person p USING (person_id) WHERE p.erased_at IS NOT NULL
    """,
    "erased_person_is_no_member": """
        SELECT m.brand_id, m.member_id FROM membership m JOIN person p USING (person_id) WHERE p.erased_at IS NOT NULL
    """,
    "erased_member_has_no_name": """
        SELECT m.brand_id, m.member_id FROM member m
        LEFT JOIN member root ON root.brand_id = m.brand_id AND root.member_id = m.merged_into
        WHERE 'erased' IN (m.status, root.status)
          AND num_nonnulls(m.name, m.phone_tail, m.birthday, m.card_no, m.guide_id, m.home_store_id) > 0
    """,
    "erased_member_has_no_open_coupon": """
        SELECT c.brand_id, c.coupon_id FROM coupon c JOIN member m USING (brand_id, member_id)
        WHERE m.status = 'erased' AND c.status IN ('claimed', 'locked', 'returned')
    """,
    "erased_member_has_no_tags": """
        SELECT t.brand_id, t.member_id FROM member_tag t JOIN member m USING (brand_id, member_id)
        WHERE m.status = 'erased'
    """,
    "erased_member_has_no_copy": """
        SELECT e.brand_id, e.export_id FROM data_export e JOIN member m USING (brand_id, member_id)
        WHERE m.status = 'erased'
    """,
}
