"""What keeps a whole file from being imported; a bad row never does."""

from __future__ import annotations

from typing import Any

from app.core.errors import Conflict, Invalid, NotFound


class FileUnreadable(Invalid):
    code, message = "import_unreadable", "The file is neither a CSV table nor Parquet."


class HeaderWrong(Invalid):
    code, message = "import_header", "The header does not name the columns that are needed; data says which."

    def __init__(
        self, *, missing: list[str] | None = None, doubled: list[str] | None = None, unknown: list[str] | None = None
    ) -> None:
        told: dict[str, Any] = {"missing": missing, "doubled": doubled, "unknown": unknown}
        super().__init__(**{name: names for name, names in told.items() if names})


class JobUnknown(NotFound):
    code, message = "not_found", "There is no such import."


class JobClosed(Conflict):
    code, message = "import_closed", "The import has ended already."


class NoCorp(Invalid):
    code, message = "import_no_corp", "The brand has no WeCom account yet, so guides cannot be told apart."
