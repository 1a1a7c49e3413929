"""Every encrypted column of the database, in one list: what a change of keys must re-encrypt, and nothing else may be.

A test finds columns that are missing here, by what is written into them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.channels.models import Follow
from app.channels.rules import CONTACT_CONTEXT, SUITE_CONTEXT
from app.channels.state import SuiteState
from app.coupons.commands.redeem_codes import SEALED_CONTEXT
from app.coupons.issue_models import SealedCodes
from app.coupons.twins.erase import CONTEXT as LEFT_CONTEXT
from app.identity.models import IdentityRelease, IdentityRow, PhoneClaim
from app.identity.rules import SEAL_CONTEXT
from app.imports.models import ImportChunk
from app.imports.rules import CHUNK_CONTEXT
from app.members.models import Member
from app.members.rules import NAME_CONTEXT
from app.org.models import AdminUser, ApiClient, PlatformAccount
from app.org.rules import ACCOUNT_CONTEXT, API_SECRET_CONTEXT, FACTOR_CONTEXT
from app.privacy.models import DataExport, Erasure
from app.privacy.rules import EXPORT_CONTEXT, SWEEP_CONTEXT


@dataclass(frozen=True)
class SealedColumn:
    """A column of ciphertexts bound to a context (see core.crypto)."""

    model: Any
    column: str
    context: str

    @property
    def name(self) -> str:
        return f"{self.model.__tablename__}.{self.column}"

    @property
    def key(self) -> list[Any]:
        """The primary key's columns, in order."""
        return list(self.model.__table__.primary_key.columns)


# What only passes through the outbox, sealed, and is worth nothing once its delivery was made: no column keeps it.
PASSING = frozenset({LEFT_CONTEXT})
COLUMNS: tuple[SealedColumn, ...] = (
    SealedColumn(IdentityRow, "sealed_value", SEAL_CONTEXT),
    SealedColumn(IdentityRelease, "sealed_value", SEAL_CONTEXT),
    SealedColumn(PhoneClaim, "sealed_value", SEAL_CONTEXT),
    SealedColumn(Member, "name", NAME_CONTEXT),
    SealedColumn(Follow, "contact", CONTACT_CONTEXT),
    # A ticket also passes through the inbox, sealed: it is worth nothing half an hour later, and forgotten in 30 days.
    SealedColumn(SuiteState, "value", SUITE_CONTEXT),
    SealedColumn(PlatformAccount, "secret", ACCOUNT_CONTEXT),
    SealedColumn(PlatformAccount, "callback_token", ACCOUNT_CONTEXT),
    SealedColumn(PlatformAccount, "callback_aes_key", ACCOUNT_CONTEXT),
    SealedColumn(ApiClient, "secret", API_SECRET_CONTEXT),
    SealedColumn(AdminUser, "factor_secret", FACTOR_CONTEXT),
    SealedColumn(DataExport, "content", EXPORT_CONTEXT),
    SealedColumn(Erasure, "sealed", SWEEP_CONTEXT),
    SealedColumn(ImportChunk, "body", CHUNK_CONTEXT),
    SealedColumn(SealedCodes, "body", SEALED_CONTEXT),
)
