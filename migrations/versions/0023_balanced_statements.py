"""Postings must sum to zero statement by statement, instead of journal by journal at the end of the transaction.

Every write of the ledger is one statement, and a merge writes hundreds of postings in it: summing a journal again for
each of its lines took longer than writing them. Statements that each add nothing to any journal leave all journals
balanced, so the new rows alone are looked at.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_UP = (
    "DROP TRIGGER posting_zero_sum ON posting",
    "DROP FUNCTION journal_is_balanced",
    """
    CREATE FUNCTION postings_are_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
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
    """,
    """
    CREATE TRIGGER posting_zero_sum AFTER INSERT ON posting REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION postings_are_balanced()
    """,
)
_DOWN = (
    "DROP TRIGGER posting_zero_sum ON posting",
    "DROP FUNCTION postings_are_balanced",
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
    """
    CREATE CONSTRAINT TRIGGER posting_zero_sum AFTER INSERT ON posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION journal_is_balanced()
    """,
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
