"""That a posting's journal is there is asked once a statement, with whether they balance.

A foreign key asks for each posting: of a merge of a member with 200 orders that was a third of what the ledger took.
Journals are never changed and never go (posting and journal are append-only), so to ask when postings come is enough.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_KEY = ["brand_id", "member_id", "journal_id"]
# Each journal is found by its key, whatever a plan that was made while the table was empty would say.
_BOTH = """
    CREATE OR REPLACE FUNCTION postings_are_balanced() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
    DECLARE
        off record;
    BEGIN
        SELECT s.journal_id, s.total, j.journal_id IS NULL AS missing INTO off
        FROM (
            SELECT brand_id, member_id, journal_id, sum(amount) AS total FROM fresh
            GROUP BY brand_id, member_id, journal_id
        ) s
        LEFT JOIN LATERAL (
            SELECT journal_id FROM journal
            WHERE brand_id = s.brand_id AND member_id = s.member_id AND journal_id = s.journal_id
            OFFSET 0
        ) j ON true
        WHERE s.total <> 0 OR j.journal_id IS NULL LIMIT 1;
        IF NOT FOUND THEN
            RETURN NULL;
        ELSIF off.missing THEN
            RAISE EXCEPTION 'journal % of these postings is not there', off.journal_id
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_journal';
        END IF;
        RAISE EXCEPTION 'journal % is off by %', off.journal_id, off.total
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_zero_sum';
    END $$
"""
_BALANCE = """
    CREATE OR REPLACE FUNCTION postings_are_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        off record;
    BEGIN
        SELECT journal_id, sum(amount) AS total INTO off FROM fresh
        GROUP BY brand_id, member_id, journal_id HAVING sum(amount) <> 0 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'journal % is off by %', off.journal_id, off.total
                USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_zero_sum';
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    op.execute(_BOTH)
    op.drop_constraint(op.f("fk_posting_brand_id_member_id_journal_id"), "posting", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key(op.f("fk_posting_brand_id_member_id_journal_id"), "posting", "journal", _KEY, _KEY)
    op.execute(_BALANCE)
