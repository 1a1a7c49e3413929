"""What must always be true of tags: each statement returns the rows that break its rule."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "member_tag_has_its_tag": """
        SELECT member_tag.brand_id, member_tag.member_id, member_tag.tag_id
        FROM member_tag LEFT JOIN tag USING (brand_id, tag_id) WHERE tag.tag_id IS NULL
    """,
}
