"""What a chunk is read against: the brand's stores, guides and tiers by code, its calendar, and whose ids these are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from app.core import clock, ids
from app.imports.models import ImportJob
from app.imports.rules import LAYOUTS, Column, Layout, columns
from app.org import queries as org
from app.tiers import queries as tiers

from .cells import Cells

# Sources whose numbers are those that tills and malls upload live; their orders are told apart by store as well.
LIVE_SOURCES = ("till", "mall")


@dataclass(frozen=True)
class Ground:
    """`yuan`: fields whose money is in yuan. `fields`: those the file has."""

    job_id: int
    brand_id: int
    kind: str
    source: str
    options: Mapping[str, Any]
    correlation_id: str
    zone: str
    now: datetime
    stores: Mapping[str, int]
    guides: Mapping[str, tuple[int, int]]
    tiers: Mapping[str, int]
    corp_id: str | None
    open_platform: str | None
    yuan: frozenset[str]
    fields: frozenset[str]

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.kind]

    @property
    def by_store(self) -> bool:
        """Whether order numbers are unique in their store only."""
        return self.source in LIVE_SOURCES

    @property
    def members_of(self) -> str:
        """Namespace of the source's own member ids."""
        return f"{ids.encode('brd', self.brand_id)}:{self.source}"

    @property
    def guide_ids(self) -> dict[str, int]:
        return {userid: guide_id for userid, (guide_id, _) in self.guides.items()}

    def cells(self, table: pa.Table) -> Cells:
        return Cells(self.layout, table, zone=self.zone, now=self.now)


def of(job: ImportJob) -> Ground:
    """The ground of a job; reads the brand's organisation."""
    brand, corp = org.brand(job.brand_id), org.account(job.brand_id, "wecom")
    used: tuple[Column, ...] = columns(job.kind, job.options["header"], job.options.get("mapping"))
    return Ground(
        job_id=job.job_id,
        brand_id=job.brand_id,
        kind=job.kind,
        source=job.source,
        options=job.options,
        correlation_id=job.correlation_id,
        zone=brand.timezone,
        now=clock.now(),
        stores={store.code: store.id for store in org.stores(job.brand_id)},
        guides={guide.userid: (guide.id, guide.store_id) for guide in org.guides(job.brand_id)},
        tiers={tier.code: tier.tier_id for tier in tiers.ladder(job.brand_id)},
        corp_id=corp.namespace if corp else None,
        open_platform=corp.open_platform if corp else None,
        yuan=frozenset(column.field.name for column in used if column.in_yuan),
        fields=frozenset(column.field.name for column in used),
    )
