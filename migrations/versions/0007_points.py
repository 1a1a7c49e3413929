"""Tables of points, with the triggers that keep the ledger append-only and balanced."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FUNCTIONS = (
    """
    CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE FUNCTION journal_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        total numeric;
    BEGIN
        SELECT sum(amount) INTO total FROM posting
        WHERE brand_id = NEW.brand_id AND member_id = NEW.member_id AND journal_id = NEW.journal_id;
        IF total <> 0 THEN
            RAISE EXCEPTION 'journal % is off by %', NEW.journal_id, total
                USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_zero_sum';
        END IF;
        RETURN NULL;
    END $$
    """,
)
_TRIGGERS = (
    """
    CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()
    """,
    """
    CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE ON posting
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()
    """,
    """
    CREATE CONSTRAINT TRIGGER posting_zero_sum AFTER INSERT ON posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION journal_is_balanced()
    """,
)


def _member_key(*columns: sa.Column) -> list[sa.Column]:
    key = [sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in ("brand_id", "member_id")]
    return [*key, *columns]


def upgrade() -> None:
    op.create_table(
        "journal",
        *_member_key(sa.Column("journal_id", sa.BigInteger(), autoincrement=False, nullable=False)),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.CheckConstraint("currency IN ('points', 'growth')", name=op.f("ck_journal_currency")),
        sa.CheckConstraint("kind IN ('earn', 'spend', 'expire', 'adjust', 'refund')", name=op.f("ck_journal_kind")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "journal_id", name=op.f("pk_journal")),
        sa.UniqueConstraint(
            "brand_id",
            "member_id",
            "currency",
            "kind",
            "cause",
            name=op.f("uq_journal_brand_id_member_id_currency_kind_cause"),
        ),
    )
    op.create_index(op.f("ix_journal_correlation_id"), "journal", ["correlation_id"])
    op.create_table(
        "posting",
        *_member_key(
            sa.Column("journal_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("line", sa.SmallInteger(), autoincrement=False, nullable=False),
        ),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.BigInteger()),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "account IN ('member', 'issued', 'spent', 'expired', 'adjusted', 'refunded')",
            name=op.f("ck_posting_account"),
        ),
        sa.CheckConstraint("lot_id IS NULL OR account = 'member'", name=op.f("ck_posting_lot")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "journal_id"],
            ["journal.brand_id", "journal.member_id", "journal.journal_id"],
            name=op.f("fk_posting_brand_id_member_id_journal_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "journal_id", "line", name=op.f("pk_posting")),
    )
    op.create_table(
        "balance",
        *_member_key(sa.Column("currency", sa.Text(), nullable=False)),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("amount >= floor", name=op.f("ck_balance_floor")),
        sa.CheckConstraint("currency IN ('points', 'growth')", name=op.f("ck_balance_currency")),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "currency", name=op.f("pk_balance")),
    )
    op.create_table(
        "lot",
        *_member_key(sa.Column("lot_id", sa.BigInteger(), autoincrement=False, nullable=False)),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("remaining BETWEEN 0 AND earned", name=op.f("ck_lot_remaining")),
        sa.ForeignKeyConstraint(
            ["brand_id", "member_id", "journal_id"],
            ["journal.brand_id", "journal.member_id", "journal.journal_id"],
            name=op.f("fk_lot_brand_id_member_id_journal_id"),
        ),
        sa.PrimaryKeyConstraint("brand_id", "member_id", "lot_id", name=op.f("pk_lot")),
    )
    op.create_index("ix_lot_expires", "lot", ["brand_id", "expires_at"], postgresql_where=sa.text("remaining > 0"))
    op.create_table(
        "earn_rule",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("points_per_yuan", sa.BigInteger(), nullable=False),
        sa.Column("growth_per_yuan", sa.BigInteger(), nullable=False),
        sa.Column("points_months", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "points_per_yuan >= 0 AND growth_per_yuan >= 0 AND points_months >= 0", name=op.f("ck_earn_rule_positive")
        ),
        sa.PrimaryKeyConstraint("brand_id", name=op.f("pk_earn_rule")),
    )
    for statement in (*_FUNCTIONS, *_TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for table in ("earn_rule", "lot", "balance", "posting", "journal"):
        op.drop_table(table)
    op.execute("DROP FUNCTION journal_is_balanced()")
    op.execute("DROP FUNCTION ledger_is_append_only()")
