"""Who a mini-program user is among WeCom's customers, asked before anybody adds anybody (WeCom docs, path/95900).

A user whose unionid is known and whose external userid is not is asked about in small batches. Whoever is nobody's
customer yet gets a pending id that lives 90 days; it is kept as an id of theirs, asked about again now and then, and
let go at its end. A customer whose unionid WeCom does not tell (no Open Platform account is bound to it) is asked about
the other way round: the pending id they had as a user says who they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock
from app.core.db import session
from app.core.errors import Retryable, SiyuError
from app.core.outbox import emit
from app.core.slots import Slot
from app.core.work import Effect
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.identity.errors import IdentityBlocked, IdentityErased
from app.identity.rules import Identity
from app.org import queries as org
from app.org.models import PlatformAccount
from app.wechat.errors import Rejected
from app.wechat.wecom import ExternalId

from .. import accounts, people
from .events import ConversionsDue
from .models import Conversion, SyncDrift, SyncItem

SOURCE = "wecom.convert"
USERS_A_BATCH = 50  # one call each
CUSTOMERS_A_BATCH = 100  # one call for all
LIFE = timedelta(days=90)
# A pending id is asked about again this often: a customer whose callback was lost is found at last.
AGAIN = timedelta(days=30)
# Whoever joined within this time is looked for each hour, everybody each night.
RECENT = timedelta(days=2)
_NIGHT = 3  # the hour (UTC + 8) whose slot looks at everybody
_WRONG_SUBJECT = {"subject_mismatch"}  # the mini-program and the corp are not one legal subject: true for everybody


@dataclass(frozen=True)
class User:
    person_id: int
    unionid: str
    openid: str


@dataclass(frozen=True)
class Batch:
    brand_id: int
    corp_id: str
    kind: str
    open_platform: str
    everybody: bool
    users: tuple[User, ...] = ()
    customers: tuple[str, ...] = ()

    @property
    def full(self) -> bool:
        return len(self.users) == USERS_A_BATCH or len(self.customers) == CUSTOMERS_A_BATCH


@dataclass(frozen=True)
class Asked:
    """What was answered: by person for users, by external userid for customers (their pending id, if they had one)."""

    users: dict[int, ExternalId | SiyuError]
    customers: dict[str, str | None]


def begin(slot: Slot) -> None:
    """Each hour: let expired pending ids go, and ask for every brand that has both a corp and a mini-program."""
    for account in session.scalars(select(PlatformAccount).where(PlatformAccount.kind == "wecom")).all():
        _expire(account.namespace)
        if org.account(account.brand_id, "miniprogram") is None:
            continue
        for kind in ("user", "customer"):
            emit(
                ConversionsDue(
                    brand_id=account.brand_id,
                    corp_id=account.namespace,
                    kind=kind,
                    everybody=(slot.at + timedelta(hours=8)).hour == _NIGHT,
                )
            )


def _read(event: ConversionsDue) -> Batch | None:
    corp = org.account_by_namespace("wecom", event.corp_id)
    mini = org.account(event.brand_id, "miniprogram")
    if corp is None or mini is None:
        return None
    since = None if event.everybody else clock.now() - RECENT
    batch = Batch(event.brand_id, event.corp_id, event.kind, mini.open_platform, event.everybody)
    if event.kind == "user" and mini.open_platform:
        users = _users(event, mini.open_platform, mini.namespace, since)
        return replace(batch, users=tuple(users)) if users else None
    if event.kind == "customer":
        customers = _customers(event, corp.open_platform, since)
        return replace(batch, customers=tuple(customers)) if customers else None
    return None


_HAS = """EXISTS (
    SELECT 1 FROM identity i JOIN person p ON p.person_id = i.person_id
    WHERE coalesce(p.merged_into, p.person_id) = {person} AND i.kind = '{kind}' AND i.namespace = :{namespace})"""

_USERS = f"""
SELECT m.person_id
FROM member m LEFT JOIN sync_conversion c ON c.corp_id = :corp AND c.kind = 'user' AND c.subject = m.person_id::text
WHERE m.brand_id = :brand_id AND m.status = 'active'
  AND (c.next_at <= :now
       OR c.subject IS NULL AND (CAST(:since AS timestamptz) IS NULL OR m.joined_at >= :since OR m.bound_at >= :since))
  AND {_HAS.format(person="m.person_id", kind="unionid", namespace="open")}
  AND {_HAS.format(person="m.person_id", kind="openid", namespace="appid")}
  AND NOT {_HAS.format(person="m.person_id", kind="external_userid", namespace="corp")}
ORDER BY c.next_at NULLS FIRST, m.person_id
LIMIT :limit
"""

_CUSTOMERS = f"""
SELECT DISTINCT f.external_userid
FROM follow f
JOIN person o ON o.person_id = f.person_id
LEFT JOIN sync_conversion c ON c.corp_id = f.corp_id AND c.kind = 'customer' AND c.subject = f.external_userid
WHERE f.corp_id = :corp AND f.brand_id = :brand_id AND f.status = 'active'
  AND (c.next_at <= :now OR c.subject IS NULL AND (CAST(:since AS timestamptz) IS NULL OR f.added_at >= :since))
  AND NOT {_HAS.format(person="coalesce(o.merged_into, o.person_id)", kind="unionid", namespace="open")}
ORDER BY f.external_userid
LIMIT :limit
"""


def _users(event: ConversionsDue, open_platform: str, appid: str, since: datetime | None) -> list[User]:
    found = session.scalars(
        text(_USERS),
        {
            "corp": event.corp_id,
            "brand_id": event.brand_id,
            "now": clock.now(),
            "since": since,
            "open": open_platform,
            "appid": appid,
            "limit": USERS_A_BATCH,
        },
    ).all()
    return [
        User(
            person_id,
            identity_queries.values_of(person_id, "unionid", open_platform)[0],
            identity_queries.values_of(person_id, "openid", appid)[0],
        )
        for person_id in found
    ]


def _customers(event: ConversionsDue, open_platform: str, since: datetime | None) -> list[str]:
    """None while the corp has no pending id alive: then there is nothing to find."""
    alive = select(Conversion.subject).where(
        Conversion.corp_id == event.corp_id, Conversion.kind == "user", Conversion.outcome == "pending"
    )
    if session.scalar(alive.limit(1)) is None:
        return []
    asked = {
        "corp": event.corp_id,
        "brand_id": event.brand_id,
        "now": clock.now(),
        "since": since,
        "open": open_platform,
        "limit": CUSTOMERS_A_BATCH,
    }
    return list(session.scalars(text(_CUSTOMERS), asked))


def _call(batch: Batch) -> Asked:
    wecom = accounts.wecom(batch.brand_id)
    if batch.customers:
        known = wecom.pending_ids(batch.customers)
        return Asked({}, {external: known.get(external) for external in batch.customers})
    answers: dict[int, ExternalId | SiyuError] = {}
    for user in batch.users:
        try:
            answers[user.person_id] = wecom.unionid_to_external_userid(unionid=user.unionid, openid=user.openid)
        except Retryable:
            if not answers:
                raise
            break  # what was answered is kept; the rest is asked in the next batch
        except SiyuError as error:
            answers[user.person_id] = error
            if isinstance(error, Rejected) and error.reason in _WRONG_SUBJECT:
                break
    return Asked(answers, {})


def _record(batch: Batch, answer: Asked | SiyuError) -> None:
    if isinstance(answer, SiyuError):
        raise answer
    by_person = {user.person_id: user for user in batch.users}
    for person_id, told in answer.users.items():
        _put_user(batch, by_person[person_id], told)
    for external, pending_id in answer.customers.items():
        _put_customer(batch, external, pending_id)
    wrong = any(isinstance(one, Rejected) and one.reason in _WRONG_SUBJECT for one in answer.users.values())
    if batch.full and not wrong:
        emit(ConversionsDue(brand_id=batch.brand_id, corp_id=batch.corp_id, kind=batch.kind, everybody=batch.everybody))


CONVERT = Effect(read=_read, call=_call, record=_record)


def _put_user(batch: Batch, user: User, told: ExternalId | SiyuError) -> None:
    now, subject = clock.now(), str(user.person_id)
    if isinstance(told, SiyuError):
        _note(batch, "user", subject, "refused", next_at=now + AGAIN, error=getattr(told, "reason", told.code))
        return
    whose = Identity("unionid", batch.open_platform, user.unionid)
    if told.external_userid:
        _link(batch, [whose, Identity("external_userid", batch.corp_id, told.external_userid)])
        _note(batch, "user", subject, "customer")
    elif told.pending_id:
        before = session.get(Conversion, (batch.corp_id, "user", subject), populate_existing=True)
        same = before is not None and before.pending_id == told.pending_id and before.expires_at is not None
        ends = before.expires_at if same and before is not None else now + LIFE
        _link(batch, [whose, Identity("pending", batch.corp_id, told.pending_id)])
        _note(
            batch,
            "user",
            subject,
            "pending",
            pending_id=told.pending_id,
            expires_at=ends,
            next_at=min(now + AGAIN, ends) if ends else now + AGAIN,
        )
    else:
        _note(batch, "user", subject, "nobody", next_at=now + AGAIN)


def _put_customer(batch: Batch, external: str, pending_id: str | None) -> None:
    if pending_id is None:
        _note(batch, "customer", external, "nobody", next_at=clock.now() + AGAIN)
        return
    pending = Identity("pending", batch.corp_id, pending_id)
    if identity_queries.person_of(pending) is None:
        _note(batch, "customer", external, "nobody", pending_id=pending_id, next_at=clock.now() + AGAIN)
        return
    _link(batch, [Identity("external_userid", batch.corp_id, external), pending])
    _note(batch, "customer", external, "customer", pending_id=pending_id)


def _link(batch: Batch, ids: Sequence[Identity]) -> None:
    try:
        linked = people.link(brand_id=batch.brand_id, ids=ids, source=SOURCE, passive=True)
    except (IdentityErased, IdentityBlocked):
        return
    people.adopt(brand_id=batch.brand_id, person_id=linked.person_id)


def _note(batch: Batch, kind: str, subject: str, outcome: str, **facts: Any) -> None:
    known = {"pending_id": None, "expires_at": None, "next_at": None, "error": None, **facts}
    values = {"outcome": outcome, "asked_at": clock.now(), **known}
    session.execute(
        insert(Conversion)
        .values(corp_id=batch.corp_id, kind=kind, subject=subject, brand_id=batch.brand_id, **values)
        .on_conflict_do_update(index_elements=["corp_id", "kind", "subject"], set_=values)
    )


def _expire(corp_id: str) -> None:
    """Let pending ids go whose 90 days are over: WeCom does not know them any more. Their users are asked again."""
    over = session.scalars(
        select(Conversion)
        .where(
            Conversion.corp_id == corp_id,
            Conversion.kind == "user",
            Conversion.outcome == "pending",
            Conversion.expires_at <= clock.now(),
        )
        .with_for_update(skip_locked=True)
    ).all()
    for row in over:
        if row.pending_id is not None:
            identity.hold(int(row.subject))
            identity.release(identity=Identity("pending", corp_id, row.pending_id), reason="pending_expired")
        session.execute(
            update(Conversion)
            .where(Conversion.corp_id == corp_id, Conversion.kind == "user", Conversion.subject == row.subject)
            .values(outcome="nobody", pending_id=None, expires_at=None, next_at=clock.now()),
            execution_options={"synchronize_session": "fetch"},
        )


def forget(*, person_ids: Sequence[int], external_userids: Sequence[str]) -> None:
    """Nothing of reconciliation tells of people any more who were erased."""
    persons, externals = [str(one) for one in person_ids], list(external_userids)
    for statement in (
        delete(Conversion).where(Conversion.kind == "user", Conversion.subject.in_(persons)),
        delete(Conversion).where(Conversion.kind == "customer", Conversion.subject.in_(externals)),
        delete(SyncItem).where(SyncItem.subject.in_(externals)),
        delete(SyncDrift).where(func.split_part(SyncDrift.subject, "/", 2).in_(externals)),
    ):
        session.execute(statement, execution_options={"synchronize_session": False})
