"""Whose a relation is: the person its external userid was given to."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import update

from app.core.db import session

from .codes import arrivals
from .models import Follow


def reown_follows(*, owners: Mapping[tuple[str, str], int]) -> None:
    """Give relations (and arrivals) that were noted while two persons were one to the one that has the external userid.

    `owners`: (corp id, external userid) -> person.
    """
    for (corp_id, external_userid), person_id in sorted(owners.items()):
        session.execute(
            update(Follow)
            .where(
                Follow.corp_id == corp_id,
                Follow.external_userid == external_userid,
                Follow.person_id != person_id,
            )
            .values(person_id=person_id),
            execution_options={"synchronize_session": False},
        )
        arrivals.reown(external_userid=external_userid, person_id=person_id)
