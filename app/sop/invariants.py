"""What must always be true of SOPs and tasks; each statement returns the rows that break its rule."""

from app.members.left_behind import none_at_merged_members, origins_were_merged, same_at_winner

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
        WHERE c.source = 'sop' AND NOT EXISTS (
            SELECT FROM guide_task t
            WHERE t.brand_id = c.brand_id AND t.status = 'done' AND 'task:' || t.task_id = c.source_ref
              AND (t.member_id IN (c.member_id, c.origin_member_id)
                   -- The coupon was given while the task's member was one with this one.
                   OR EXISTS (
                     SELECT FROM member_merge m
                     WHERE m.brand_id = t.brand_id AND m.loser_id = t.member_id AND m.winner_id = c.member_id
                   ))
        )
    """,
    "tasks_follow_their_member": none_at_merged_members(
        "guide_task", but=same_at_winner("guide_task", "step_id", "period"), only="t.status IN ('open', 'done')"
    ),
    "task_origins_were_merged": origins_were_merged("guide_task"),
    "task_merged_only_at_merged_members": """
        SELECT t.brand_id, t.task_id FROM guide_task t
        JOIN member m ON m.brand_id = t.brand_id AND m.member_id = t.member_id
        WHERE t.status = 'merged' AND m.merged_into IS NULL
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
