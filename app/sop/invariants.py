"""What must always be true of SOPs and tasks; each statement returns the rows that break its rule."""

INVARIANTS: dict[str, str] = {
    "task_done_has_a_time": """
        SELECT brand_id, task_id FROM guide_task WHERE (status = 'done') <> (done_at IS NOT NULL)
    """,
    "task_done_has_evidence": "SELECT brand_id, task_id FROM guide_task WHERE status = 'done' AND evidence IS NULL",
    "task_is_one_by_its_natural_key": """
        SELECT brand_id, member_id, step_id, period FROM guide_task
        GROUP BY brand_id, member_id, step_id, period HAVING count(*) > 1
    """,
    "task_id_is_unique": "SELECT task_id FROM guide_task GROUP BY task_id HAVING count(*) > 1",
    "task_belongs_to_its_step": """
        SELECT t.task_id FROM guide_task t
        LEFT JOIN sop_step s ON s.brand_id = t.brand_id AND s.step_id = t.step_id AND s.sop_id = t.sop_id
        WHERE s.step_id IS NULL
    """,
    "task_deadline_follows_due": "SELECT task_id FROM guide_task WHERE deadline_at <= due_at",
    "completion_coupon_at_most_once": """
        SELECT member_id, source_ref FROM coupon WHERE source = 'sop'
        GROUP BY brand_id, member_id, source_ref HAVING count(*) > 1
    """,
    "completion_coupon_has_a_done_task": """
        SELECT c.coupon_id, c.source_ref FROM coupon c
        LEFT JOIN guide_task t ON t.brand_id = c.brand_id AND t.member_id = c.member_id
             AND t.status = 'done' AND 'task:' || t.task_id = c.source_ref
        WHERE c.source = 'sop' AND t.task_id IS NULL
    """,
    "run_done_has_reached_everyone": """
        SELECT r.sop_id, r.period FROM sop_run r
        JOIN LATERAL (
            SELECT max(s.member_id) AS last FROM segment_snapshot s
            WHERE s.brand_id = r.brand_id AND s.segment_id = r.segment_id AND s.taken_at = r.as_of
        ) walked ON true
        WHERE r.status = 'done' AND r.cursor < walked.last
    """,
}
