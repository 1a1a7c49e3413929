"""What WeCom and WeChat said about a person goes when the person is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, or_, update

from app.core.db import session

from .codes.models import Arrival
from .models import Follow
from .state import AcquisitionEvent, FollowTag, GroupChatMember, OfficialFollow, Refresh, SubscriptionQuota

# Arrivals are counted by code: who came keeps no id, only that somebody did.
_NOBODY = ""


def erase(*, brand_id: int, person_ids: Sequence[int], contacts: Sequence[str], openids: Sequence[str]) -> None:
    """Delete a brand's relations with a person, their cards, remarks, tags, groups and follows.

    `contacts` are external userids, `openids` those of the mini-program and the official account.
    """
    quiet = {"synchronize_session": False}
    external = list(contacts)
    session.execute(
        delete(Follow).where(
            Follow.brand_id == brand_id, or_(Follow.person_id.in_(person_ids), Follow.external_userid.in_(external))
        ),
        execution_options=quiet,
    )
    for column, known in (
        (FollowTag.external_userid, external),
        (GroupChatMember.member_key, external),
        (Refresh.key, [*external, *openids]),
    ):
        model = column.class_
        session.execute(delete(model).where(model.brand_id == brand_id, column.in_(known)), execution_options=quiet)
    session.execute(
        update(AcquisitionEvent)
        .where(AcquisitionEvent.brand_id == brand_id, AcquisitionEvent.external_userid.in_(external))
        .values(external_userid=None, facts={}),
        execution_options=quiet,
    )
    session.execute(
        update(Arrival)
        .where(Arrival.brand_id == brand_id, Arrival.person_id.in_(person_ids), Arrival.external_userid.is_not(None))
        .values(external_userid=_NOBODY),
        execution_options=quiet,
    )
    session.execute(
        delete(OfficialFollow).where(
            OfficialFollow.brand_id == brand_id,
            or_(OfficialFollow.person_id.in_(person_ids), OfficialFollow.openid.in_(list(openids))),
        ),
        execution_options=quiet,
    )
    session.execute(
        delete(SubscriptionQuota).where(
            SubscriptionQuota.brand_id == brand_id, SubscriptionQuota.openid.in_(list(openids))
        ),
        execution_options=quiet,
    )
