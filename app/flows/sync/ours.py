"""What we hold of a corp, read the way a step compares it with WeCom's lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select

from app.channels.models import Follow
from app.channels.state import CorpTag, CorpTagGroup, FollowTag, GroupChat, GroupChatMember, Refresh
from app.core.db import session
from app.org.models import Department, Staff
from app.org.staff import LEFT


def departments(corp_id: str) -> list[Department]:
    """Departments that stand."""
    found = select(Department).where(Department.corp_id == corp_id, Department.deleted_at.is_(None))
    return list(session.scalars(found.order_by(Department.department_id)))


def staff(corp_id: str, userids: Collection[str]) -> dict[str, Staff]:
    """These members of staff by userid, also those who left."""
    found = select(Staff).where(Staff.corp_id == corp_id, Staff.userid.in_(userids))
    return {row.userid: row for row in session.scalars(found)}


def staff_present(corp_id: str) -> list[Staff]:
    """Everybody who has not left."""
    found = select(Staff).where(Staff.corp_id == corp_id, Staff.status != LEFT)
    return list(session.scalars(found.order_by(Staff.userid)))


def tag_groups(corp_id: str) -> list[CorpTagGroup]:
    found = select(CorpTagGroup).where(CorpTagGroup.corp_id == corp_id, CorpTagGroup.deleted_at.is_(None))
    return list(session.scalars(found))


def tags(corp_id: str) -> list[CorpTag]:
    found = select(CorpTag).where(CorpTag.corp_id == corp_id, CorpTag.deleted_at.is_(None))
    return list(session.scalars(found))


def follows(corp_id: str, userids: Collection[str], external_userids: Collection[str]) -> dict[tuple[str, str], Follow]:
    """The relations of these customers with these members, whatever their status, by (userid, external userid)."""
    found = select(Follow).where(
        Follow.corp_id == corp_id, Follow.userid.in_(userids), Follow.external_userid.in_(external_userids)
    )
    rows = session.scalars(found.execution_options(populate_existing=True))
    return {(row.userid, row.external_userid): row for row in rows}


def follow_tags(
    corp_id: str, userids: Collection[str], external_userids: Collection[str]
) -> dict[tuple[str, str], set[str]]:
    """The corp tags of the same relations."""
    found = select(FollowTag.userid, FollowTag.external_userid, FollowTag.tag_id).where(
        FollowTag.corp_id == corp_id, FollowTag.userid.in_(userids), FollowTag.external_userid.in_(external_userids)
    )
    tagged: dict[tuple[str, str], set[str]] = {}
    for userid, external_userid, tag_id in session.execute(found):
        tagged.setdefault((userid, external_userid), set()).add(tag_id)
    return tagged


def customers_of(corp_id: str, userid: str, *, before: datetime) -> list[str]:
    """The customers a list of this member should show: relations that are not deleted and did not change since."""
    found = select(Follow.external_userid).where(
        Follow.corp_id == corp_id,
        Follow.userid == userid,
        Follow.status != "deleted",
        Follow.changed_at < before,
        or_(Follow.told_at.is_(None), Follow.told_at < before),
    )
    return list(session.scalars(found.order_by(Follow.external_userid)))


def guides_of(corp_id: str, external_userid: str, *, before: datetime) -> list[str]:
    """The members a customer's details should name."""
    found = select(Follow.userid).where(
        Follow.corp_id == corp_id,
        Follow.external_userid == external_userid,
        Follow.status != "deleted",
        Follow.changed_at < before,
        or_(Follow.told_at.is_(None), Follow.told_at < before),
    )
    return list(session.scalars(found.order_by(Follow.userid)))


def chats(corp_id: str) -> list[GroupChat]:
    """Customer groups that were not dismissed."""
    found = select(GroupChat).where(GroupChat.corp_id == corp_id, GroupChat.dismissed_at.is_(None))
    return list(session.scalars(found.order_by(GroupChat.chat_id).execution_options(populate_existing=True)))


def chats_by_id(corp_id: str, chat_ids: Collection[str]) -> dict[str, GroupChat]:
    found = select(GroupChat).where(GroupChat.corp_id == corp_id, GroupChat.chat_id.in_(chat_ids))
    return {row.chat_id: row for row in session.scalars(found.execution_options(populate_existing=True))}


def members_of(corp_id: str, chat_id: str) -> dict[str, GroupChatMember]:
    """Who is in a group, as far as we know."""
    found = select(GroupChatMember).where(
        GroupChatMember.corp_id == corp_id, GroupChatMember.chat_id == chat_id, GroupChatMember.left_at.is_(None)
    )
    return {row.member_key: row for row in session.scalars(found.execution_options(populate_existing=True))}


def standing(corp_id: str, step: str) -> int:
    """How many rows a step could lose."""
    counted = {
        "departments": select(func.count()).where(Department.corp_id == corp_id, Department.deleted_at.is_(None)),
        "staff": select(func.count()).where(Staff.corp_id == corp_id, Staff.status != LEFT),
        "tags": select(func.count()).where(CorpTag.corp_id == corp_id, CorpTag.deleted_at.is_(None)),
        "follows": select(func.count()).where(Follow.corp_id == corp_id, Follow.status != "deleted"),
        "groups": select(func.count()).where(GroupChat.corp_id == corp_id, GroupChat.dismissed_at.is_(None)),
    }
    return session.scalar(counted[step]) or 0


def unfetched(corp_id: str, kind: str, *, before: datetime) -> list[str]:
    """Keys of reads that callbacks asked for and that have not been answered since: most of them failed for good."""
    found = select(Refresh.key).where(
        Refresh.corp_id == corp_id,
        Refresh.kind == kind,
        or_(Refresh.pending, Refresh.read_at.is_(None)),
        Refresh.asked_at < before,
    )
    return list(session.scalars(found.order_by(Refresh.key)))


def guides_active(corp_id: str, *, since: datetime) -> list[str]:
    """Members with news of their customers since then: where callbacks came, others may have been lost."""
    found = select(Follow.userid).where(
        Follow.corp_id == corp_id,
        or_(Follow.changed_at >= since, Follow.told_at >= since, Follow.read_at >= since),
    )
    return sorted(set(session.scalars(found.distinct())))


def chats_active(corp_id: str, *, since: datetime) -> list[str]:
    """Groups with news since then."""
    found = select(GroupChat.chat_id).where(
        and_(GroupChat.corp_id == corp_id, GroupChat.changed_at >= since, GroupChat.dismissed_at.is_(None))
    )
    return list(session.scalars(found.order_by(GroupChat.chat_id)))


def among(rows: Iterable[str], wanted: Sequence[str] | None) -> list[str]:
    """Those of `rows` that are wanted; all of them when `wanted` is None."""
    return list(rows) if wanted is None else sorted(set(rows) & set(wanted))
