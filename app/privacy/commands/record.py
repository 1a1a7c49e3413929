"""What people said, and the opt-outs that follow from it in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, context, ids, outbox
from app.core.db import session
from app.identity import commands as identity
from app.identity import queries as identity_queries
from app.members.models import Membership

from .. import queries, rules
from ..errors import PolicyChanged, PolicyUnknown
from ..events import OptedIn, OptedOut
from ..models import Consent, OptOut, PrivacyPolicy
from ..rules import ANY

_WHOSE = text(
    "SELECT status, person_id, origin_person_id FROM member WHERE brand_id = :brand_id AND member_id = :member_id"
)
_STANDING = text("SELECT purpose, channel FROM opt_out WHERE brand_id = :brand_id AND member_id = :member_id")


def publish_policy(
    *, brand_id: int, version: str, digest: str, valid_from: datetime, url: str | None = None
) -> PrivacyPolicy:
    """Publish a version of the brand's policy; the same again changes nothing, another text raises PolicyChanged."""
    session.execute(
        insert(PrivacyPolicy)
        .values(
            brand_id=brand_id, version=version, digest=digest, url=url, valid_from=valid_from, created_at=clock.now()
        )
        .on_conflict_do_nothing()
    )
    row = queries.policy(brand_id, version)
    assert row is not None
    if row.digest != digest:
        raise PolicyChanged(version=version)
    return row


def record(
    *,
    brand_id: int,
    person_id: int,
    purpose: str,
    granted: bool,
    source: str,
    channel: str = ANY,
    version: str | None = None,
    at: datetime | None = None,
    ref: str | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> bool:
    """Write what a person said and let the opt-outs of their membership follow; False when `ref` was reported before.

    `at`: when it was said (now); `ref` names the report within its source (a paper's number, a file's row).
    A yes is a yes to a text: of `version`, else of the one in force at `at`; PolicyUnknown when there is none.
    `evidence` may hold what rules.EVIDENCE names, and nothing that names a person.
    """
    proof = rules.check_statement(purpose=purpose, channel=channel, source=source, evidence=evidence or {})
    said_at = at or clock.now()
    living = identity.hold(person_id)
    wrote = session.scalar(
        insert(Consent)
        .values(
            brand_id=brand_id,
            person_id=living,
            consent_id=ids.new_id(),
            purpose=purpose,
            channel=channel,
            granted=granted,
            version=_version(brand_id, version, said_at, granted=granted),
            at=said_at,
            source=source,
            ref=ref,
            evidence=proof,
            recorded_at=clock.now(),
            correlation_id=context.correlation_id(),
        )
        .on_conflict_do_nothing()
        .returning(Consent.consent_id)
    )
    if wrote is None:
        return False
    member_id = _membership(brand_id, living)
    if member_id is not None:
        recompute(brand_id=brand_id, member_id=member_id)
    return True


def recompute(*, brand_id: int, member_id: int, held: bool = False) -> None:
    """Write the opt-outs that follow from what the member's person said; emits what changed.

    For a new member, and after a merge or a split: statements stay where they were made, what they mean moves. Holds
    the person, so that two statements of one moment are both seen; `held`: the caller does.
    """
    member = session.execute(_WHOSE, {"brand_id": brand_id, "member_id": member_id}).one_or_none()
    if member is None:
        return
    # Whose statements these are: who joined, not whom a merge that is being taken back still names.
    joined = member.origin_person_id or member.person_id
    living = joined if held else identity.hold(joined)
    wanted = queries.refused(brand_id, living) if member.status in ("active", "frozen") else set()
    standing = {
        (row.purpose, row.channel) for row in session.execute(_STANDING, {"brand_id": brand_id, "member_id": member_id})
    }
    gone, new = standing - wanted, wanted - standing
    if not gone and not new:
        return
    if gone:
        mine = (OptOut.brand_id == brand_id, OptOut.member_id == member_id)
        session.execute(
            delete(OptOut).where(*mine, tuple_(OptOut.purpose, OptOut.channel).in_(sorted(gone))),
            execution_options={"synchronize_session": False},
        )
    if new:
        key = {"brand_id": brand_id, "member_id": member_id, "since": clock.now()}
        values = [{**key, "purpose": purpose, "channel": channel} for purpose, channel in sorted(new)]
        session.execute(insert(OptOut).values(values).on_conflict_do_nothing())
    who = {"brand_id": brand_id, "member_id": member_id, "person_id": identity_queries.resolve(living)}
    for purpose, channels in _by_purpose(new):
        outbox.emit(OptedOut(**who, purpose=purpose, channels=channels))
    for purpose, channels in _by_purpose(gone):
        outbox.emit(OptedIn(**who, purpose=purpose, channels=channels))


def recompute_person(*, person_id: int) -> None:
    """`recompute` for every membership of a living person: two persons became one, or one became two."""
    living = identity_queries.resolve(person_id)
    rows = session.execute(
        select(Membership.brand_id, Membership.member_id).where(Membership.person_id == living)
    ).all()
    for brand_id, member_id in rows:
        recompute(brand_id=brand_id, member_id=member_id)


def _membership(brand_id: int, person_id: int) -> int | None:
    return session.scalar(
        select(Membership.member_id).where(Membership.brand_id == brand_id, Membership.person_id == person_id)
    )


def _version(brand_id: int, version: str | None, at: datetime, *, granted: bool) -> str | None:
    if version is None:
        row = queries.policy_in_force(brand_id, at) if granted else None
        if row is None and granted:
            raise PolicyUnknown()
    else:
        row = queries.policy(brand_id, version)
        if row is None:
            raise PolicyUnknown(version=version)
    return row.version if row is not None else None


def _by_purpose(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for purpose, channel in sorted(pairs):
        found.setdefault(purpose, []).append(channel)
    return list(found.items())
