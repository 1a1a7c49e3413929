"""Campaigns with a day's stock, stores' stock, a budget and an approval; orders with several coupons; refunds by line;
coupons taken while a till was offline.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_STATES = "'draft', 'submitted', 'active', 'paused', 'ended', 'voided'"
_OLD_STATES = "'draft', 'active', 'paused', 'ended'"


def _id(name: str, **more: object) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False, **more)  # type: ignore[arg-type]


def _number(name: str, **more: object) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, **more)  # type: ignore[arg-type]


def _words(name: str, **more: object) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), **({"nullable": False} | more))  # type: ignore[arg-type]


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    _campaigns()
    _stocks()
    _orders()
    _refunds()
    _offline()
    # Breaks a statement from within, so that what it has done so far is undone: for guards over several rows.
    op.execute("""
        CREATE FUNCTION refuse(reason text) RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION USING MESSAGE = reason, ERRCODE = 'raise_exception';
        END $$
    """)


def _campaigns() -> None:
    op.add_column("campaign", sa.Column("day_quota", sa.BigInteger()))
    for name in ("allocated", "budgeted"):
        op.add_column("campaign", sa.Column(name, sa.Boolean(), server_default="false", nullable=False))
    op.add_column("campaign", _words("created_by", server_default=""))
    for name in ("submitted_by", "approved_by"):
        op.add_column("campaign", sa.Column(name, sa.Text()))
    op.create_check_constraint(op.f("ck_campaign_day_quota"), "campaign", "day_quota >= 1")
    op.drop_constraint(op.f("ck_campaign_status"), "campaign", type_="check")
    op.create_check_constraint(op.f("ck_campaign_status"), "campaign", f"status IN ({_STATES})")
    op.create_table(
        "campaign_event",
        _id("brand_id"),
        _id("campaign_id"),
        _id("event_id"),
        _words("action"),
        _words("from_status", nullable=True),
        _words("to_status"),
        _words("reason"),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        _words("actor"),
        _moment("at"),
        _words("correlation_id"),
        sa.ForeignKeyConstraint(
            ["brand_id", "campaign_id"],
            ["campaign.brand_id", "campaign.campaign_id"],
            name=op.f("fk_campaign_event_brand_id_campaign_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "campaign_id", "event_id", name=op.f("pk_campaign_event")),
    )
    op.create_index("ix_campaign_event_correlation_id", "campaign_event", ["correlation_id"])
    op.execute("""
        CREATE TRIGGER campaign_event_append_only BEFORE UPDATE OR DELETE ON campaign_event
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)
    op.create_table(
        "campaign_policy",
        _id("brand_id"),
        sa.Column("approve_quota", sa.BigInteger()),
        sa.Column("approve_budget_fen", sa.BigInteger()),
        sa.CheckConstraint("approve_quota >= 1 AND approve_budget_fen >= 1", name=op.f("ck_campaign_policy_positive")),
        sa.PrimaryKeyConstraint("brand_id", name=op.f("pk_campaign_policy")),
    )


def _stocks() -> None:
    for table, key in (
        ("campaign_day", sa.Column("day", sa.Date(), nullable=False)),
        ("campaign_allocation", _id("store_id")),
    ):
        op.create_table(
            table,
            _id("campaign_id"),
            key,
            _number("brand_id"),
            _number("quota"),
            _number("issued"),
            sa.CheckConstraint("0 <= issued AND issued <= quota", name=op.f(f"ck_{table}_issued")),
            sa.PrimaryKeyConstraint("campaign_id", key.name, name=op.f(f"pk_{table}")),
        )
    op.create_table(
        "campaign_budget",
        _id("campaign_id"),
        _number("brand_id"),
        _number("budget_fen"),
        _number("spent_fen"),
        sa.CheckConstraint("0 <= spent_fen AND spent_fen <= budget_fen", name=op.f("ck_campaign_budget_spent")),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaign_budget")),
    )


def _orders() -> None:
    op.create_table(
        "order_discount",
        _id("brand_id"),
        _words("order_no"),
        _words("source"),
        _id("store_id"),
        _number("total_fen"),
        _number("discount_fen"),
        sa.Column("groups", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint("0 <= discount_fen AND discount_fen <= total_fen", name=op.f("ck_order_discount_discount")),
        sa.PrimaryKeyConstraint("brand_id", "order_no", "source", "store_id", name=op.f("pk_order_discount")),
    )
    op.execute("""
        INSERT INTO order_discount (brand_id, order_no, source, store_id, total_fen, discount_fen, groups)
        SELECT brand_id, order_no, source, store_id, sum(discount_fen), sum(discount_fen), array_agg(''::text)
        FROM redemption WHERE returned_at IS NULL GROUP BY 1, 2, 3, 4
    """)
    op.add_column("redemption", _number("supplier_fen", server_default="0"))
    for name in ("supplier", "stack_group"):
        op.add_column("redemption", _words(name, server_default=""))
    op.drop_constraint(op.f("ck_redemption_cost_share"), "redemption", type_="check")
    op.create_check_constraint(
        op.f("ck_redemption_cost_share"),
        "redemption",
        "least(hq_fen, dealer_fen, supplier_fen) >= 0 AND hq_fen + dealer_fen + supplier_fen = discount_fen",
    )


def _refunds() -> None:
    for table in ("redemption", "redemption_line"):
        op.add_column(table, _number("refunded_fen", server_default="0"))
        op.create_check_constraint(op.f(f"ck_{table}_refunded_fen"), table, "refunded_fen BETWEEN 0 AND discount_fen")
    op.add_column("redemption_line", sa.Column("quantity", sa.Integer(), server_default="1", nullable=False))
    op.add_column("redemption_line", sa.Column("refunded_quantity", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(
        op.f("ck_redemption_line_refunded_quantity"),
        "redemption_line",
        "quantity > 0 AND refunded_quantity BETWEEN 0 AND quantity",
    )
    key = ["brand_id", "member_id", "redemption_id", "line_no"]
    op.create_table(
        "redemption_refund",
        _id("brand_id"),
        _id("member_id"),
        _id("redemption_id"),
        _words("refund_no"),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        *(_number(name) for name in ("fen", "hq_fen", "dealer_fen", "supplier_fen")),
        _moment("at"),
        _words("correlation_id"),
        sa.CheckConstraint(
            "quantity > 0 AND hq_fen + dealer_fen + supplier_fen = fen", name=op.f("ck_redemption_refund_adds_up")
        ),
        sa.ForeignKeyConstraint(
            key,
            [f"redemption_line.{name}" for name in key],
            name=op.f("fk_redemption_refund_brand_id_member_id_redemption_id_line_no"),
        ),
        sa.PrimaryKeyConstraint(
            "brand_id", "member_id", "redemption_id", "refund_no", "line_no", name=op.f("pk_redemption_refund")
        ),
    )
    op.create_index("ix_redemption_refund_at", "redemption_refund", ["brand_id", "at"])
    op.create_index("ix_redemption_refund_correlation_id", "redemption_refund", ["correlation_id"])


def _offline() -> None:
    op.create_table(
        "offline_quota",
        _id("brand_id"),
        _id("store_id"),
        _words("month"),
        _number("limit_fen"),
        _number("used_fen"),
        sa.CheckConstraint("0 <= used_fen AND used_fen <= limit_fen", name=op.f("ck_offline_quota_used")),
        sa.PrimaryKeyConstraint("brand_id", "store_id", "month", name=op.f("pk_offline_quota")),
    )
    op.create_table(
        "offline_receipt",
        _id("brand_id"),
        _id("store_id"),
        _words("receipt_no"),
        _words("order_no"),
        sa.Column("coupon_id", sa.BigInteger()),
        sa.Column("redemption_id", sa.BigInteger()),
        _number("discount_fen"),
        _words("outcome"),
        _words("reason"),
        _moment("taken_at"),
        _moment("received_at"),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        _words("correlation_id"),
        sa.CheckConstraint(
            "outcome IN ('redeemed', 'conflict', 'over', 'refused')", name=op.f("ck_offline_receipt_outcome")
        ),
        sa.PrimaryKeyConstraint("brand_id", "store_id", "receipt_no", name=op.f("pk_offline_receipt")),
    )
    op.create_index("ix_offline_receipt_store", "offline_receipt", ["brand_id", "store_id", "received_at"])
    op.create_index("ix_offline_receipt_correlation_id", "offline_receipt", ["correlation_id"])


def downgrade() -> None:
    op.execute("DROP FUNCTION refuse")
    for table in (
        "offline_receipt",
        "offline_quota",
        "redemption_refund",
        "order_discount",
        "campaign_budget",
        "campaign_allocation",
        "campaign_day",
        "campaign_policy",
        "campaign_event",
    ):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_redemption_cost_share"), "redemption", type_="check")
    for name in ("supplier_fen", "supplier", "stack_group", "refunded_fen"):
        op.drop_column("redemption", name)
    op.create_check_constraint(
        op.f("ck_redemption_cost_share"),
        "redemption",
        "hq_fen >= 0 AND dealer_fen >= 0 AND hq_fen + dealer_fen = discount_fen",
    )
    for name in ("quantity", "refunded_quantity", "refunded_fen"):
        op.drop_column("redemption_line", name)
    op.drop_constraint(op.f("ck_campaign_status"), "campaign", type_="check")
    op.create_check_constraint(op.f("ck_campaign_status"), "campaign", f"status IN ({_OLD_STATES})")
    for name in ("day_quota", "allocated", "budgeted", "created_by", "submitted_by", "approved_by"):
        op.drop_column("campaign", name)
