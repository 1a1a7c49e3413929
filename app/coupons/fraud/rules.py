"""The rules by kind: what is counted, from how many on it is flagged, and within which time. No database, no clock.

Those of WATCHED are looked for by a worker among what was redeemed and issued; those of LIMITS are told by the request
that met a limit of `app.core.rates`, and have their numbers in the code that limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MINUTE, HOUR, DAY = 60, 3600, 86_400
LONGEST = 7 * DAY


@dataclass(frozen=True)
class Rule:
    """`subject` (member, store, guide, till, desk) is flagged from `threshold` on within `seconds`."""

    subject: str
    threshold: int
    seconds: int
    active: bool = True


WATCHED: Mapping[str, Rule] = {
    "member_redeems": Rule("member", 5, DAY),  # coupons one member used
    "member_claims": Rule("member", 10, HOUR),  # coupons one member claimed
    "store_redeems": Rule("store", 300, HOUR),  # coupons used in one store
    "till_redeems": Rule("till", 1000, HOUR),  # coupons used through one key of a till system
    "desk_redeems": Rule("desk", 60, HOUR),  # coupons one person used at a cash desk
    "offline_conflicts": Rule("store", 5, DAY),  # coupons a store took offline that were not good any more
    "guide_gives": Rule("guide", 100, DAY),  # coupons one guide gave away
    "guide_own_store": Rule("guide", 5, DAY),  # of those, used in the guide's store within minutes of being given
    "stores_apart": Rule("member", 3, HOUR),  # different stores in which one member used coupons
    "regions_apart": Rule("member", 2, 2 * HOUR),  # different regions, which nobody travels between that soon
    "staff_redeems": Rule("member", 1, DAY),  # coupons used by a member who is a guide
}
LIMITS = ("wrong_codes", "codes_replayed", "claim_burst")
KINDS = (*WATCHED, *LIMITS)
STATUSES = ("open", "cleared", "confirmed")
AT_ONCE_SECONDS = 10 * MINUTE  # given and used within this time, in the giver's own store
