"""What the ids in terms are called, for their words."""

from __future__ import annotations

from collections.abc import Iterable

from app.org import queries as org

from ..rules import Terms
from ..wording import NAMED, NO_NAMES, Names


def names_of(brand_id: int, terms: Iterable[Terms]) -> Names:
    """The names that the words of these terms need: of the few stores that one is bound to. One statement, or none."""
    wanted = {store for one in terms if one.store_ids and len(one.store_ids) <= NAMED for store in one.store_ids}
    return Names(stores=org.store_names(brand_id, wanted)) if wanted else NO_NAMES
