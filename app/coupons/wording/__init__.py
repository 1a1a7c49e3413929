"""All that people read about coupons, in Simplified Chinese: what one gives, its terms, until when, why it is
refused, why several take off in this order.

Shoppers, guides, cashiers and operators read the same words, and they stand here only. Every field of `Terms` is told
(`TOLD`) or left out for a reason (`UNTOLD`); every refusal of the domain has a sentence. A test names what is missing.
"""

from .order import why_here
from .refusals import OTHER, added, refusal, words_of
from .terms import NO_NAMES, OFFERED, TOLD, UNTOLD, Names, conditions, named_few, offer, rules_of_taking, yuan
from .times import TIMEZONE, days_left, end, expiry, moment

__all__ = [
    "NO_NAMES",
    "OFFERED",
    "OTHER",
    "TIMEZONE",
    "TOLD",
    "UNTOLD",
    "Names",
    "added",
    "conditions",
    "days_left",
    "end",
    "expiry",
    "moment",
    "named_few",
    "offer",
    "refusal",
    "rules_of_taking",
    "why_here",
    "words_of",
    "yuan",
]
