"""What counts of what a person said, and who may look behind a mask how often. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .errors import ConsentInvalid, RevealInvalid

SERVICE, MARKETING, PROFILING = "service", "marketing", "profiling"
GROUP_SHARING, THIRD_PARTY = "group_sharing", "third_party"
# What holds for somebody who said nothing. Joining a brand is agreeing to its service and, until they say otherwise,
# to its mail; to pass their data on is another matter, and silence is no yes.
DEFAULTS: Mapping[str, bool] = {
    SERVICE: True,
    MARKETING: True,
    PROFILING: True,
    GROUP_SHARING: False,
    THIRD_PARTY: False,
}
PURPOSES = tuple(DEFAULTS)
OPT_OUT_PURPOSES = tuple(purpose for purpose, silence in DEFAULTS.items() if silence)

ANY = "any"
CHANNELS = (ANY, "miniapp", "wecom", "sms", "call", "mail")
SOURCES = ("miniapp", "till", "sidebar", "admin", "import", "wecom")

# Evidence is kept for good, also of people who were erased: so it holds numbers of papers and machines, never words.
EVIDENCE = ("paper_no", "scan_digest", "store", "client", "guide", "admin", "file", "row", "request", "appid")
MAX_EVIDENCE = 128

# How many values a role may uncover in one day of the brand.
REVEALS_A_DAY: Mapping[str, int] = {"hq": 50, "region": 30, "dealer": 20, "store": 20, "guide": 10}
REVEAL_FIELDS = ("phone", "name", "birthday")

COOLING_OFF = timedelta(days=7)
EXPORT_LIFE = timedelta(days=7)
EXPORT_CONTEXT = "privacy.export"
SWEEP_CONTEXT = "privacy.erasure"


@dataclass(frozen=True)
class Said:
    """One statement: who said it, for which channel (`any`: all of them), yes or no, and when."""

    person_id: int
    channel: str
    granted: bool
    at: datetime


def state(purpose: str, said: Sequence[Said], joined: Mapping[tuple[int, int], datetime]) -> dict[str, bool]:
    """Whether a purpose is allowed, channel by channel; `any` is what holds where no channel is named.

    Of one person's statements on a channel the newest counts, and one for `any` speaks of every channel. Persons that
    were merged (`joined`: (who, into whom) -> when) each keep their last word, and the most restrictive of these holds
    until the merged person says something new. Of two statements of one moment the refusal counts.
    """
    return {channel: _state_of(channel, purpose, said, joined) for channel in CHANNELS}


def _state_of(channel: str, purpose: str, said: Sequence[Said], joined: Mapping[tuple[int, int], datetime]) -> bool:
    heard = [one for one in said if one.channel in (channel, ANY)]
    last_words = [one for one in heard if not any(_replaces(other, one, joined) for other in heard)]
    return all(one.granted for one in last_words) if last_words else DEFAULTS[purpose]


def _replaces(newer: Said, older: Said, joined: Mapping[tuple[int, int], datetime]) -> bool:
    if (newer.at, not newer.granted) <= (older.at, not older.granted):
        return False
    if newer.person_id == older.person_id:
        return True
    since = joined.get((older.person_id, newer.person_id))
    return since is not None and since <= newer.at


def check_statement(*, purpose: str, channel: str, source: str, evidence: Mapping[str, Any]) -> dict[str, str | int]:
    """The evidence as it is kept; ConsentInvalid for an unknown purpose, channel, source or kind of evidence."""
    if purpose not in PURPOSES:
        raise ConsentInvalid(field="purpose", known=list(PURPOSES))
    if channel not in CHANNELS:
        raise ConsentInvalid(field="channel", known=list(CHANNELS))
    if source not in SOURCES:
        raise ConsentInvalid(field="source", known=list(SOURCES))
    for key, value in evidence.items():
        if key not in EVIDENCE or type(value) not in (str, int) or len(str(value)) > MAX_EVIDENCE:
            raise ConsentInvalid(field="evidence", known=list(EVIDENCE))
    return dict(evidence)


def check_reveal(field: str, reason: str) -> str:
    """The reason, trimmed; RevealInvalid for a field nobody masks or a reason that says nothing."""
    reason = reason.strip()
    if field not in REVEAL_FIELDS or not 2 <= len(reason) <= 200:
        raise RevealInvalid(fields=list(REVEAL_FIELDS))
    return reason
