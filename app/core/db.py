"""The database handle, column types and naming conventions shared by every table.

Tables say how they are spread when one PostgreSQL is no longer enough (see `distribution`); a metadata test keeps
every table honest about it long before that day.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, registry

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class _Base(DeclarativeBase):
    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            int: BigInteger,
            str: Text,
            datetime: DateTime(timezone=True),
            dict[str, Any]: JSONB,
            list[Any]: JSONB,
        },
    )


db = SQLAlchemy(model_class=_Base, session_options={"expire_on_commit": False, "autoflush": True})
if TYPE_CHECKING:

    class Base(_Base):
        """What every table derives from; Flask-SQLAlchemy makes it at run time."""

        __abstract__ = True
        __tablename__: str
else:
    Base = db.Model
session = db.session


MERGES = ("moves", "transfers", "recomputed", "stays")


def distribution(key: str, *, merge: str | None = None, of: str | None = None) -> dict[str, Any]:
    """Table option naming how a table is spread by the distributed engine.

    `member_id`, `person_id` or another column of the primary key; `reference` for small tables copied everywhere;
    `local` for tables of the coordinator (inbox, outbox, audit).

    Tables of a member also say what becomes of their rows when the member is merged into another: `moves` (the row
    follows and keeps its origin), `transfers` (the row stays, journals carry its worth over), `recomputed` (derived
    anew for whoever lives on), `stays` (it remains the loser's, and nobody looks at a merged member).

    `of`: the table whose rows these belong to by its primary key, where triggers keep that for a whole statement at
    once instead of a foreign key row by row.
    """
    info = {"distribution": key, "merge": merge, "of": of}
    return {"info": {name: value for name, value in info.items() if value is not None}}


def tell_after(table: str, owner: str) -> None:
    """Let a table come after the one its rows belong to wherever tables are told in order, as a foreign key would."""
    Base.metadata.tables[table].add_is_dependent_on(Base.metadata.tables[owner])
