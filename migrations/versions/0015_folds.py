"""Origins of rows that followed a merge of members, and what the ledger needs to transfer.

A member is the column that tables are spread by, and such a column is never updated: a row goes from one member to
another by being deleted here and inserted there in one statement. coupon_event is append-only, so its trigger has to
let that one kind of delete pass. It does so while the transaction has said to which member it moves rows
(`SET LOCAL siyu.moving_to`), and only when at the end of the statement the very same row, content and all, stands at
that member: history may change its shelf, never its text, and no statement can use the setting to lose a row.
The ledger's own rows never move; points and growth are transferred by journals of their own.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ORIGINS = ("sales_order", "lot", "journal", "coupon", "benefit_grant", "guide_task")
_KINDS = "'earn', 'spend', 'expire', 'adjust', 'refund'"
_ACCOUNTS = "'member', 'issued', 'spent', 'expired', 'adjusted', 'refunded'"
_REASONS = "'reached', 'review', 'import'"
_STATUSES = "'open', 'done', 'expired', 'cancelled'"

_UP = (
    "DROP TRIGGER coupon_event_append_only ON coupon_event",
    """
    CREATE FUNCTION refuse_delete_unless_moving() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF coalesce(current_setting('siyu.moving_to', true), '') = '' THEN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION coupon_event_stands_elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        moved coupon_event;
    BEGIN
        OLD.member_id := current_setting('siyu.moving_to')::bigint;
        SELECT * INTO moved FROM coupon_event e
        WHERE e.brand_id = OLD.brand_id AND e.member_id = OLD.member_id AND e.coupon_id = OLD.coupon_id
          AND e.event_id = OLD.event_id;
        IF moved IS DISTINCT FROM OLD THEN
            RAISE EXCEPTION 'coupon_event % was not moved as it is', OLD.event_id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER coupon_event_append_only BEFORE UPDATE ON coupon_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER coupon_event_moves_only BEFORE DELETE ON coupon_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_delete_unless_moving()
    """,
    """
    CREATE TRIGGER coupon_event_moved AFTER DELETE ON coupon_event
    FOR EACH ROW EXECUTE FUNCTION coupon_event_stands_elsewhere()
    """,
)
_DOWN = (
    "DROP TRIGGER coupon_event_moved ON coupon_event",
    "DROP TRIGGER coupon_event_moves_only ON coupon_event",
    "DROP FUNCTION coupon_event_stands_elsewhere",
    "DROP FUNCTION refuse_delete_unless_moving",
    "DROP TRIGGER coupon_event_append_only ON coupon_event",
    """
    CREATE TRIGGER coupon_event_append_only BEFORE UPDATE OR DELETE ON coupon_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def _check(table: str, column: str, values: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{column}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, f"{column} IN ({values})")


def upgrade() -> None:
    for table in _ORIGINS:
        op.add_column(table, sa.Column("origin_member_id", sa.BigInteger()))
    for column in ("origin_journal_id", "other_member_id", "merge_id"):
        op.add_column("journal", sa.Column(column, sa.BigInteger()))
    op.add_column("coupon", sa.Column("moved", postgresql.JSONB(astext_type=sa.Text())))
    for column in ("begun_by", "ended_by"):
        op.add_column("member_tier", sa.Column(column, sa.BigInteger()))
    op.add_column("balance", sa.Column("owed", sa.BigInteger(), server_default="0", nullable=False))
    op.drop_constraint(op.f("ck_balance_floor"), "balance", type_="check")
    op.create_check_constraint(op.f("ck_balance_floor"), "balance", "amount >= floor - owed AND owed >= 0")
    _check("journal", "kind", f"{_KINDS}, 'merge'")
    op.create_check_constraint(op.f("ck_journal_merge"), "journal", "(kind = 'merge') = (merge_id IS NOT NULL)")
    _check("posting", "account", f"{_ACCOUNTS}, 'merged'")
    _check("member_tier", "reason", f"{_REASONS}, 'merge'")
    _check("guide_task", "status", f"{_STATUSES}, 'merged'")
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
    _check("guide_task", "status", _STATUSES)
    _check("member_tier", "reason", _REASONS)
    _check("posting", "account", _ACCOUNTS)
    op.drop_constraint(op.f("ck_journal_merge"), "journal", type_="check")
    _check("journal", "kind", _KINDS)
    op.drop_constraint(op.f("ck_balance_floor"), "balance", type_="check")
    op.create_check_constraint(op.f("ck_balance_floor"), "balance", "amount >= floor")
    op.drop_column("balance", "owed")
    for column in ("ended_by", "begun_by"):
        op.drop_column("member_tier", column)
    op.drop_column("coupon", "moved")
    for column in ("merge_id", "other_member_id", "origin_journal_id"):
        op.drop_column("journal", column)
    for table in _ORIGINS:
        op.drop_column(table, "origin_member_id")
