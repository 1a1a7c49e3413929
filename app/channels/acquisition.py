"""Acquisition links (获客助手), what came by them and how much quota is left, as WeCom told (docs path/97299)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, literal, or_
from sqlalchemy.dialects.postgresql import insert

from app.core import context
from app.core.db import session
from app.identity import queries as identity
from app.identity.rules import Identity

from .state import AcquisitionBalance, AcquisitionEvent, AcquisitionLink

BALANCES = ("low", "exhausted", "increased", "expiring")


def put_link(*, brand_id: int, corp_id: str, link_id: str, status: str, at: datetime) -> None:
    """A link is ok, unavailable or deleted since `at`. What is deleted stays so; of one second the worse news stays."""
    statement = insert(AcquisitionLink).values(
        corp_id=corp_id, link_id=link_id, brand_id=brand_id, status=status, changed_at=at
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["corp_id", "link_id"],
            set_={"status": status, "changed_at": at},
            where=and_(
                AcquisitionLink.status != "deleted",
                or_(
                    AcquisitionLink.changed_at < at,
                    and_(AcquisitionLink.changed_at == at, AcquisitionLink.status == "ok"),
                    literal(status == "deleted"),
                ),
            ),
        )
    )


def put_balance(
    *,
    brand_id: int,
    corp_id: str,
    state: str,
    at: datetime,
    expires_at: datetime | None = None,
    expiring: int | None = None,
) -> bool:
    """What was said of the corp's quota at `at`: one of BALANCES; `expiring` of it are lost at `expires_at`."""
    facts = {"state": state, "expires_at": expires_at, "expiring": expiring}
    statement = insert(AcquisitionBalance).values(corp_id=corp_id, brand_id=brand_id, changed_at=at, **facts)
    put = statement.on_conflict_do_update(
        index_elements=["corp_id"],
        set_={**facts, "changed_at": at},
        # Two words of one second: an order of our own, so that they end the same whichever comes first.
        where=or_(
            AcquisitionBalance.changed_at < at,
            and_(AcquisitionBalance.changed_at == at, AcquisitionBalance.state < state),
        ),
    )
    return session.scalar(put.returning(AcquisitionBalance.corp_id)) is not None


def note_arrival(
    *,
    event_id: int,
    brand_id: int,
    corp_id: str,
    kind: str,
    at: datetime,
    link_id: str | None,
    userid: str | None,
    external_userid: str | None,
    state: str | None,
    facts: dict[str, str],
) -> None:
    """Write down one thing a customer did on the way in; told again it changes nothing. Of somebody who was erased only
    that it happened is kept.
    """
    if external_userid and identity.erased([Identity("external_userid", corp_id, external_userid)]):
        external_userid, facts = None, {}
    session.execute(
        insert(AcquisitionEvent)
        .values(
            event_id=event_id,
            brand_id=brand_id,
            corp_id=corp_id,
            kind=kind,
            link_id=link_id,
            userid=userid,
            external_userid=external_userid,
            state=state,
            facts=facts,
            at=at,
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
    )
    if link_id is not None:  # what customers come by works
        put_link(brand_id=brand_id, corp_id=corp_id, link_id=link_id, status="ok", at=at)
