"""Tables of what WeCom and WeChat last said: tags, groups, followers of the official account, acquisition links.

Every row bears the moment of the newest news applied to it: callbacks come doubled, late and out of order, and full
reads race with them. A read is dated at the moment its call began. What is gone stays as a tombstone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, context
from app.core.db import Base, distribution


class CorpTagGroup(Base):
    """A group of the corp's tag library."""

    __tablename__ = "corp_tag_group"
    __table_args__ = (distribution("reference"),)

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    name: Mapped[str]
    sort: Mapped[int] = mapped_column(default=0)
    deleted_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class CorpTag(Base):
    """A tag of the corp's library; gone when itself or its group was deleted."""

    __tablename__ = "corp_tag"
    __table_args__ = (Index("ix_corp_tag_group_id", "corp_id", "group_id"), distribution("reference"))

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    tag_id: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str]
    brand_id: Mapped[int]
    name: Mapped[str]
    sort: Mapped[int] = mapped_column(default=0)
    deleted_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class FollowTag(Base):
    """A corp tag one member of staff gave one customer, as of the pair's last read (follow.read_at)."""

    __tablename__ = "follow_tag"
    __table_args__ = (Index("ix_follow_tag_tag_id", "corp_id", "tag_id"), distribution("external_userid"))

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    userid: Mapped[str] = mapped_column(primary_key=True)
    external_userid: Mapped[str] = mapped_column(primary_key=True)
    tag_id: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]


class GroupChat(Base):
    """A customer group. `status` is WeCom's (0 normal, 1 owner left, 2 being inherited, 3 inherited);
    `member_version` changes with every change of members. A dismissed group never comes back.
    """

    __tablename__ = "group_chat"
    __table_args__ = (Index("ix_group_chat_owner", "corp_id", "owner"), distribution("chat_id"))

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    chat_id: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    name: Mapped[str] = mapped_column(default="")
    owner: Mapped[str | None]
    notice: Mapped[str] = mapped_column(default="")
    status: Mapped[int] = mapped_column(default=0, server_default="0")
    member_version: Mapped[str | None]
    created_at: Mapped[datetime | None]
    dismissed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class GroupChatMember(Base):
    """Somebody in a customer group: `member_key` is a userid (`kind` 1, staff) or an external userid (2, customer).

    `quit_scene` is told by callbacks only (0 left, 1 was removed); NULL beside `left_at`: a read did not find them.
    """

    __tablename__ = "group_chat_member"
    __table_args__ = (Index("ix_group_chat_member_key", "corp_id", "member_key"), distribution("chat_id"))

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    chat_id: Mapped[str] = mapped_column(primary_key=True)
    member_key: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    kind: Mapped[int | None]
    joined_at: Mapped[datetime | None]
    join_scene: Mapped[int | None]
    state: Mapped[str | None]
    left_at: Mapped[datetime | None]
    quit_scene: Mapped[int | None]


class OfficialFollow(Base):
    """A user of the official account. `scene` is the parameter of the QR code they followed by at `subscribed_at`, the
    newest time they did; `active_at` their last message, scan or click, from which the 48 hours for answers count.
    """

    __tablename__ = "official_follow"
    __table_args__ = (
        Index("ix_official_follow_person_id", "person_id"),
        distribution("openid"),
    )

    appid: Mapped[str] = mapped_column(primary_key=True)
    openid: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    person_id: Mapped[int]
    subscribed: Mapped[bool]
    scene: Mapped[str | None]
    subscribed_at: Mapped[datetime | None]
    active_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class SubscriptionQuota(Base):
    """How often a mini-program user allowed one template. `state` is their newest word (accept, reject); each accept is
    worth one message, `sent` counts delivered ones and `failed` those WeChat could not deliver. `changed_at` NULL: they
    never said a word that we heard.
    """

    __tablename__ = "subscription_quota"
    __table_args__ = (
        CheckConstraint("accepted >= 0 AND sent >= 0 AND failed >= 0", name="counts"),
        distribution("openid"),
    )

    appid: Mapped[str] = mapped_column(primary_key=True)
    openid: Mapped[str] = mapped_column(primary_key=True)
    template_id: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    state: Mapped[str] = mapped_column(default="unknown")
    accepted: Mapped[int] = mapped_column(default=0)
    sent: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime | None]


class AcquisitionLink(Base):
    """A customer acquisition link. `status` ok, unavailable or deleted (which is final)."""

    __tablename__ = "acquisition_link"
    __table_args__ = (
        CheckConstraint("status IN ('ok', 'unavailable', 'deleted')", name="status"),
        distribution("reference"),
    )

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    link_id: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    status: Mapped[str] = mapped_column(default="ok")
    changed_at: Mapped[datetime]


class AcquisitionBalance(Base):
    """What WeCom last said of a corp's acquisition quota: low, exhausted, increased or expiring."""

    __tablename__ = "acquisition_balance"
    __table_args__ = (distribution("reference"),)

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    state: Mapped[str]
    expires_at: Mapped[datetime | None]
    expiring: Mapped[int | None]
    changed_at: Mapped[datetime]


class AcquisitionEvent(Base):
    """One thing a customer did on the way in by an acquisition link; `event_id` is the inbox row's id.

    `kind`: open_profile, friend_request, customer_start_chat, message_from_customer.
    """

    __tablename__ = "acquisition_event"
    __table_args__ = (
        Index("ix_acquisition_event_link", "corp_id", "link_id", "at"),
        distribution("event_id"),
    )

    event_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    brand_id: Mapped[int]
    corp_id: Mapped[str]
    kind: Mapped[str]
    link_id: Mapped[str | None]
    userid: Mapped[str | None]
    external_userid: Mapped[str | None]
    state: Mapped[str | None]
    facts: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    correlation_id: Mapped[str] = mapped_column(default=context.correlation_id)


class SuiteState(Base):
    """What a suite needs to speak: its newest ticket and unspent auth codes, sealed. `kind` ticket or auth_code."""

    __tablename__ = "suite_state"
    __table_args__ = (CheckConstraint("kind IN ('ticket', 'auth_code')", name="kind"), distribution("reference"))

    suite_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    value: Mapped[str]
    changed_at: Mapped[datetime]


class SuiteAuth(Base):
    """Whether a corp lets a suite work for it; `status` authorised or cancelled."""

    __tablename__ = "suite_auth"
    __table_args__ = (
        CheckConstraint("status IN ('authorised', 'cancelled')", name="status"),
        distribution("reference"),
    )

    suite_id: Mapped[str] = mapped_column(primary_key=True)
    corp_id: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    status: Mapped[str]
    changed_at: Mapped[datetime]


class Refresh(Base):
    """Something of WeCom that must be read again because it changed. `pending`: a read is on its way to begin, so the
    next news of the same thing needs none of its own. `read_at`: when the newest read was answered, NULL while it is
    under way or when it failed for good.
    """

    __tablename__ = "refresh"
    __table_args__ = (distribution("key"),)

    corp_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    brand_id: Mapped[int]
    pending: Mapped[bool] = mapped_column(default=True)
    asked_at: Mapped[datetime] = mapped_column(default=clock.now)
    read_at: Mapped[datetime | None]
    reads: Mapped[int] = mapped_column(default=0)
