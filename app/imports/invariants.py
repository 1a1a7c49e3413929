"""Statements about imports that must each return no row."""

from __future__ import annotations

INVARIANTS: dict[str, str] = {
    "ended_has_its_time": """
        SELECT job_id FROM import_job
        WHERE (status IN ('done', 'failed', 'cancelled')) <> (finished_at IS NOT NULL)
    """,
    "errors_are_counted": """
        SELECT e.job_id FROM import_error e JOIN import_job j USING (job_id)
        GROUP BY e.job_id, j.refused HAVING count(DISTINCT e.row_no) > j.refused
    """,
    "nothing_is_left_of_ended_files": """
        SELECT c.job_id FROM import_chunk c LEFT JOIN import_job j USING (job_id)
        WHERE j.job_id IS NULL OR j.status IN ('done', 'failed', 'cancelled')
    """,
    "orders_have_their_import": """
        SELECT o.brand_id, o.order_id FROM sales_order o LEFT JOIN import_job j ON j.job_id = o.import_id
        WHERE o.import_id IS NOT NULL AND j.brand_id IS DISTINCT FROM o.brand_id
    """,
}
