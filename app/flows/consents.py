"""What a person said takes effect: opt-outs follow joining and merging, marketing ends with a refusal."""

from __future__ import annotations

from app.core import log
from app.identity.events import Merged, Split
from app.members.events import Joined
from app.privacy import commands as privacy
from app.privacy.events import OptedOut
from app.privacy.rules import MARKETING
from app.sop import commands as sop

_log = log.get("consents")


def on_joined(event: Joined) -> None:
    """Somebody who said no before they were a member is not reached as one; who had left the brand is back."""
    if event.member_id is not None:
        if event.person_id is not None:
            privacy.welcome_back(brand_id=event.brand_id, person_id=event.person_id)
        privacy.recompute(brand_id=event.brand_id, member_id=event.member_id)


def on_merged(event: Merged) -> None:
    """The one person refuses what either refused. Members that were folded were seen to in the merge itself."""
    privacy.recompute_person(person_id=event.winner_id)


def on_split(event: Split) -> None:
    """Each of the two refuses again what they themselves refused."""
    privacy.recompute_person(person_id=event.winner_id)
    privacy.recompute_person(person_id=event.loser_id)


def on_opted_out(event: OptedOut) -> None:
    """Tasks that would reach the member that way are taken back from the guides."""
    if event.purpose != MARKETING or event.member_id is None:
        return
    stopped = sop.stop(brand_id=event.brand_id, member_id=event.member_id, channels=event.channels)
    if stopped:
        _log.info("tasks were taken back", member=event.member_id, tasks=len(stopped))
