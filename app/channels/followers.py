"""Followers of the official account, and what mini-program users allowed to be sent to them, as WeChat told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, case, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.core.db import session
from app.core.outbox import emit
from app.identity import queries as identity
from app.identity.rules import Identity

from .events import OfficialFollowed, OfficialUnfollowed
from .state import OfficialFollow, SubscriptionQuota


def put_official_follow(
    *,
    brand_id: int,
    appid: str,
    openid: str,
    person_id: int,
    subscribed: bool,
    at: datetime,
    scene: str | None = None,
) -> bool:
    """A user follows the official account since `at`, or left it then; True when that is told. Of one second, the end
    stays. `scene`: the parameter of the QR code that brought them. Each following is told, also one that is heard of
    after what came of it: the code that brought somebody did so, whatever they did next.
    """
    fresh = insert(OfficialFollow).values(
        appid=appid,
        openid=openid,
        brand_id=brand_id,
        person_id=person_id,
        subscribed=subscribed,
        scene=scene if subscribed else None,
        subscribed_at=at if subscribed else None,
        changed_at=at,
    )
    new = session.scalar(fresh.on_conflict_do_nothing().returning(OfficialFollow.openid)) is not None
    if not new:
        row = session.get_one(OfficialFollow, (appid, openid), with_for_update=True, populate_existing=True)
        new = subscribed and row.subscribed_at != at
        if subscribed and (row.subscribed_at is None or row.subscribed_at < at):
            row.subscribed_at, row.scene = at, scene
        if at > row.changed_at or (at == row.changed_at and not subscribed):
            new = new or row.subscribed != subscribed
            row.subscribed, row.changed_at = subscribed, at
        session.flush()
    if new and subscribed:
        emit(
            OfficialFollowed(
                brand_id=brand_id,
                person_id=person_id,
                appid=appid,
                openid=openid,
                at=int(at.timestamp()),
                scene=scene,
            )
        )
    elif new:
        emit(
            OfficialUnfollowed(
                brand_id=brand_id, person_id=person_id, appid=appid, openid=openid, at=int(at.timestamp())
            )
        )
    return new


def note_activity(*, brand_id: int, appid: str, openid: str, person_id: int, at: datetime) -> None:
    """A user wrote, scanned or clicked at `at`: they follow the account then, and may be answered for 48 hours. Whether
    they left before and came back without our hearing of it does not matter.
    """
    statement = insert(OfficialFollow).values(
        appid=appid,
        openid=openid,
        brand_id=brand_id,
        person_id=person_id,
        subscribed=True,
        active_at=at,
        changed_at=at,
    )
    newer = OfficialFollow.changed_at < at
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["appid", "openid"],
            set_={
                "active_at": func.greatest(OfficialFollow.active_at, at),
                "subscribed": case((newer, True), else_=OfficialFollow.subscribed),
                "changed_at": func.greatest(OfficialFollow.changed_at, at),
            },
        )
    )


def official_follow(appid: str, openid: str) -> OfficialFollow | None:
    return session.get(OfficialFollow, (appid, openid), populate_existing=True)


def note_subscription(
    *, brand_id: int, appid: str, openid: str, template_id: str, accept: bool, once: bool, at: datetime
) -> None:
    """A user allowed or refused a template at `at`. `once`: in a popup, where each accept is worth one message; else in
    their settings. Of one second, the refusal stays. Late news of somebody who was erased is let go.
    """
    if identity.erased([Identity("openid", appid, openid)]):
        return
    state, worth = ("accept" if accept else "reject"), int(accept and once)
    statement = insert(SubscriptionQuota).values(
        appid=appid,
        openid=openid,
        template_id=template_id,
        brand_id=brand_id,
        state=state,
        accepted=worth,
        sent=0,
        failed=0,
        changed_at=at,
    )
    newer = or_(
        SubscriptionQuota.changed_at.is_(None),
        SubscriptionQuota.changed_at < at,
        and_(SubscriptionQuota.changed_at == at, literal(not accept)),
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["appid", "openid", "template_id"],
            set_={
                "accepted": SubscriptionQuota.accepted + worth,
                "state": case((newer, state), else_=SubscriptionQuota.state),
                "changed_at": func.greatest(SubscriptionQuota.changed_at, at),
            },
        )
    )


def note_delivery(*, brand_id: int, appid: str, openid: str, template_id: str, delivered: bool) -> None:
    """WeChat says whether a message of a template arrived. Late news of somebody who was erased is let go."""
    if identity.erased([Identity("openid", appid, openid)]):
        return
    column = "sent" if delivered else "failed"
    counts = {"accepted": 0, "sent": 0, "failed": 0, column: 1}
    statement = insert(SubscriptionQuota).values(
        appid=appid, openid=openid, template_id=template_id, brand_id=brand_id, state="unknown", **counts
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["appid", "openid", "template_id"],
            set_={column: getattr(SubscriptionQuota, column) + 1},
        )
    )


def messages_left(appid: str, openid: str, template_id: str) -> int:
    """How many messages of a template a user still allows: none once they refused it."""
    row = session.scalar(select(SubscriptionQuota).filter_by(appid=appid, openid=openid, template_id=template_id))
    if row is None or row.state == "reject":
        return 0
    return max(0, row.accepted - row.sent)
