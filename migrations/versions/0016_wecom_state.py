"""What WeCom and WeChat say of staff, tags, groups, followers and links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acquisition_balance",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expiring", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("corp_id", name=op.f("pk_acquisition_balance")),
    )
    op.create_table(
        "acquisition_event",
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=True),
        sa.Column("userid", sa.Text(), nullable=True),
        sa.Column("external_userid", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_acquisition_event")),
    )
    op.create_index("ix_acquisition_event_link", "acquisition_event", ["corp_id", "link_id", "at"], unique=False)
    op.create_table(
        "acquisition_link",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('ok', 'unavailable', 'deleted')", name=op.f("ck_acquisition_link_status")),
        sa.PrimaryKeyConstraint("corp_id", "link_id", name=op.f("pk_acquisition_link")),
    )
    op.create_table(
        "corp_tag",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("tag_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sort", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("corp_id", "tag_id", name=op.f("pk_corp_tag")),
    )
    op.create_index("ix_corp_tag_group_id", "corp_tag", ["corp_id", "group_id"], unique=False)
    op.create_table(
        "corp_tag_group",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sort", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("corp_id", "group_id", name=op.f("pk_corp_tag_group")),
    )
    op.create_table(
        "follow_tag",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("userid", sa.Text(), nullable=False),
        sa.Column("external_userid", sa.Text(), nullable=False),
        sa.Column("tag_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("corp_id", "userid", "external_userid", "tag_id", name=op.f("pk_follow_tag")),
    )
    op.create_index("ix_follow_tag_tag_id", "follow_tag", ["corp_id", "tag_id"], unique=False)
    op.create_table(
        "group_chat",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("chat_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("member_version", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("corp_id", "chat_id", name=op.f("pk_group_chat")),
    )
    op.create_index("ix_group_chat_owner", "group_chat", ["corp_id", "owner"], unique=False)
    op.create_table(
        "group_chat_member",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("chat_id", sa.Text(), nullable=False),
        sa.Column("member_key", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.BigInteger(), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("join_scene", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quit_scene", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("corp_id", "chat_id", "member_key", name=op.f("pk_group_chat_member")),
    )
    op.create_index("ix_group_chat_member_key", "group_chat_member", ["corp_id", "member_key"], unique=False)
    op.create_table(
        "official_follow",
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("openid", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("subscribed", sa.Boolean(), nullable=False),
        sa.Column("scene", sa.Text(), nullable=True),
        sa.Column("subscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("appid", "openid", name=op.f("pk_official_follow")),
    )
    op.create_index("ix_official_follow_person_id", "official_follow", ["person_id"], unique=False)
    op.create_table(
        "refresh",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reads", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("corp_id", "kind", "key", name=op.f("pk_refresh")),
    )
    op.create_table(
        "subscription_quota",
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("openid", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("accepted >= 0 AND sent >= 0 AND failed >= 0", name=op.f("ck_subscription_quota_counts")),
        sa.PrimaryKeyConstraint("appid", "openid", "template_id", name=op.f("pk_subscription_quota")),
    )
    op.create_table(
        "suite_auth",
        sa.Column("suite_id", sa.Text(), nullable=False),
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('authorised', 'cancelled')", name=op.f("ck_suite_auth_status")),
        sa.PrimaryKeyConstraint("suite_id", "corp_id", name=op.f("pk_suite_auth")),
    )
    op.create_table(
        "suite_state",
        sa.Column("suite_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('ticket', 'auth_code')", name=op.f("ck_suite_state_kind")),
        sa.PrimaryKeyConstraint("suite_id", "kind", name=op.f("pk_suite_state")),
    )
    op.create_table(
        "department",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("department_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sort", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_department_brand_id")),
        sa.PrimaryKeyConstraint("corp_id", "department_id", name=op.f("pk_department")),
    )
    op.create_table(
        "staff",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("userid", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("departments", postgresql.JSONB(), nullable=False),
        sa.Column("main_department", sa.BigInteger(), nullable=True),
        sa.Column("leader_of", postgresql.JSONB(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN (1, 2, 4, 5)", name=op.f("ck_staff_status")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_staff_brand_id")),
        sa.PrimaryKeyConstraint("corp_id", "userid", name=op.f("pk_staff")),
    )
    op.create_table(
        "staff_rename",
        sa.Column("corp_id", sa.Text(), nullable=False),
        sa.Column("userid", sa.Text(), nullable=False),
        sa.Column("renamed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("new_userid", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_staff_rename_brand_id")),
        sa.PrimaryKeyConstraint("corp_id", "userid", "renamed_at", name=op.f("pk_staff_rename")),
    )
    op.add_column("follow", sa.Column("told_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("follow", sa.Column("state_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("follow", sa.Column("read_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("follow", sa.Column("described_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE follow SET told_at = added_at, state_at = CASE WHEN state IS NOT NULL THEN added_at END")
    op.drop_constraint(op.f("ck_platform_account_kind"), "platform_account", type_="check")
    op.create_check_constraint(
        op.f("ck_platform_account_kind"), "platform_account", "kind IN ('wecom', 'miniprogram', 'official', 'suite')"
    )


def downgrade() -> None:
    op.execute("DELETE FROM platform_account WHERE kind = 'suite'")
    op.drop_constraint(op.f("ck_platform_account_kind"), "platform_account", type_="check")
    op.create_check_constraint(
        op.f("ck_platform_account_kind"), "platform_account", "kind IN ('wecom', 'miniprogram', 'official')"
    )
    op.drop_column("follow", "described_at")
    op.drop_column("follow", "read_at")
    op.drop_column("follow", "state_at")
    op.drop_column("follow", "told_at")
    op.drop_table("staff_rename")
    op.drop_table("staff")
    op.drop_table("department")
    op.drop_table("suite_state")
    op.drop_table("suite_auth")
    op.drop_table("subscription_quota")
    op.drop_table("refresh")
    op.drop_table("official_follow")
    op.drop_table("group_chat_member")
    op.drop_table("group_chat")
    op.drop_table("follow_tag")
    op.drop_table("corp_tag_group")
    op.drop_table("corp_tag")
    op.drop_table("acquisition_link")
    op.drop_table("acquisition_event")
    op.drop_table("acquisition_balance")
