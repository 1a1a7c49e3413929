"""What must always be true of channels: each statement returns the rows that break its rule."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "a_contact_way_belongs_to_one_code": """
        SELECT config_id FROM channel_code WHERE config_id IS NOT NULL GROUP BY config_id HAVING count(*) > 1
    """,
    "wecom_knows_no_later_version": """
        SELECT id FROM channel_code WHERE applied_version > version
    """,
    "arrival_has_its_code_and_brand": """
        SELECT arrival.code_id FROM arrival LEFT JOIN channel_code ON channel_code.id = arrival.code_id
        WHERE channel_code.brand_id IS DISTINCT FROM arrival.brand_id
    """,
}
