"""What the ids in terms are called, for their words."""

from __future__ import annotations

from collections.abc import Iterable

from app.org import queries as org

from ..rules import Terms
from ..wording import NO_NAMES, Names, named_few


def names_of(brand_id: int, terms: Iterable[Terms]) -> Names:
    """The names that the words of these terms need: of the few stores, dealers and regions that one is bound to. A
    statement for each kind that is needed, mostly none.
    """
    stores: set[int] = set()
    dealers: set[int] = set()
    regions: set[int] = set()
    for one in terms:
        stores |= named_few(one.store_ids) | named_few(one.except_store_ids)
        dealers |= named_few(one.dealer_ids)
        regions |= named_few(one.region_ids)
    if not (stores or dealers or regions):
        return NO_NAMES
    return Names(
        stores=org.store_names(brand_id, stores) if stores else {},
        dealers={one.id: one.name for one in org.dealers(brand_id)} if dealers else {},
        regions={one.id: one.name for one in org.regions(brand_id)} if regions else {},
    )
