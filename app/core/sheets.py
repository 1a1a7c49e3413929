"""Tables for people's spreadsheets: CSV that Excel opens as text it must not run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

# Excel and its kin take a cell that begins so for a formula, after blanks too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BOM = "\ufeff"  # without it Excel reads UTF-8 as the machine's code page


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A CSV with a header: texts that could run as formulas are disarmed, times are ISO 8601, lists joined by 、."""
    return "".join(csv_pieces(columns, [rows]))


def csv_pieces(columns: Sequence[str], pieces: Iterable[Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """The same, its rows piece by piece as they come, for a file that is sent while it is read."""
    yield BOM + _written([[safe(column) for column in columns]])
    for rows in pieces:
        yield _written([_cell(row.get(column)) for column in columns] for row in rows)


def _written(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def safe(text: str) -> str:
    """A text as a cell that shows itself and does nothing else."""
    return f"'{text}" if text.lstrip(" \u3000").startswith(_FORMULA) else text


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return safe("、".join(str(one) for one in value))
    return safe(str(value))
