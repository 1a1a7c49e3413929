"""Whose word counts when several speak of one tag of one member. Pure: no database, no clock.

- The latest word of a person counts, wherever they said it: in the console or the sidebar (`manual`) or in WeCom
  (`wecom`). What is older than the word that stands changes nothing.
- A rule puts a tag on those of whom nobody said anything, and takes off only what a rule put on. What a person put on
  stays. What a person took off stays off until the rule's fact has changed: when the member leaves the rule's audience
  the person's refusal has served, and the next time they enter it the tag is put on again.
- An import (`import`) fills: it puts tags on where no person has spoken, and takes none off.
- Repeating what stands changes nothing but its time: so our own writing that comes back from WeCom as a callback is no
  change. A person of ours repeating what a rule put on makes it a person's.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_NAME = 30
PERSONS = ("manual", "wecom")

State = tuple[bool, str]
_ON, _OFF = (
    frozenset({(True, source) for source in ("manual", "rule", "wecom", "import")}),
    frozenset({(False, source) for source in ("manual", "rule", "wecom", "import")}),
)

# (held, source) that is said -> the standing (held, source) whose place it takes. Where nothing stands, every word that
# puts a tag on is taken, and there is nothing to take off.
OVERRIDES: Mapping[State, frozenset[State]] = {
    (True, "manual"): _OFF | {(True, "rule")},
    (False, "manual"): _ON,
    (True, "wecom"): _OFF,
    (False, "wecom"): _ON,
    (True, "import"): frozenset({(False, "rule")}),
    (True, "rule"): frozenset({(False, "rule")}),
    (False, "rule"): frozenset({(True, "rule"), (False, "manual"), (False, "wecom")}),
}


def is_name(text: str) -> bool:
    """Whether a text can be the name of a tag or of a group of tags (1 to 30 characters, as in WeCom)."""
    return 0 < len(text) <= MAX_NAME and text == text.strip() and "/" not in text and text.isprintable()
