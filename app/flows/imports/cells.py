"""Columns of text become columns of values, all rows at once; Python looks only at the rows that are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from app.imports import wording
from app.imports.commands import Fault
from app.imports.rules import Layout, redacted

MOST_FEN = 1_000_000_000_000
MOMENT_TYPE = pa.timestamp("us", "UTC")
_NAIVE = pa.timestamp("us")
_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y-%m-%d %H:%M", "%Y%m%d%H%M%S", "%Y%m%d")
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y.%m.%d", "%Y年%m月%d日")
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_OLDEST = date(1900, 1, 1)


class Cells:
    """The rows of a chunk, column by column. Each row keeps its first fault only."""

    def __init__(self, layout: Layout, table: pa.Table, *, zone: str, now: datetime) -> None:
        self._layout, self._table, self._zone, self._now = layout, table, zone, now
        self.count = table.num_rows
        self.numbers: pa.Array = self._array("row")
        self.faults: list[Fault] = []
        self._refused: set[int] = set()

    def has(self, name: str) -> bool:
        """Whether the file has this column."""
        return name in self._table.column_names

    def text(self, name: str, *, required: bool = False) -> pa.Array:
        """Text of at most the field's length; null where the cell is empty."""
        values = self._array(name)
        most = self._layout.field(name).most
        self.refuse(pc.greater(pc.utf8_length(values), most), "too_long", name, wording.TOO_LONG, most=most)
        if required or self._layout.field(name).required:
            self.refuse(pc.is_null(values), "needed", name, wording.NEEDED)
        return values

    def whole(self, name: str, low: int, high: int) -> pa.Array:
        """Integers; a zero fraction as spreadsheets write it (3.0) is one."""
        values = self._array(name)
        bare = values if _all_digits(values) else pc.replace_substring_regex(values, r"\.0+$", "")
        fits = pc.match_substring_regex(bare, r"^[+-]?[0-9]{1,15}$")
        numbers = pc.cast(pc.replace_substring_regex(pc.if_else(fits, bare, None), r"^\+", ""), pa.int64())
        within = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
        wrong = pc.and_(pc.is_valid(values), pc.invert(pc.fill_null(within, False)))
        self.refuse(wrong, "not_whole", name, wording.NOT_WHOLE, low=low, high=high)
        return pc.if_else(pc.fill_null(within, False), numbers, None)

    def money(self, name: str, *, in_yuan: bool) -> pa.Array:
        """Fen, never below zero. Yuan may have two decimals (and zeros behind), a sign of money, thousands commas."""
        values = self._array(name)
        plain = _all_digits(values)
        bare = values if plain else pc.replace_substring_regex(values, r"[¥￥,，\s]|元$", "")
        if not in_yuan:
            bare = bare if plain else pc.replace_substring_regex(bare, r"\.0+$", "")
            fits = pc.match_substring_regex(bare, r"^[0-9]{1,13}$")
            fen = pc.cast(pc.if_else(fits, bare, None), pa.int64())
        else:
            fits = pc.match_substring_regex(bare, r"^[0-9]{1,11}(\.[0-9]{1,2}0*)?$")
            parts = pc.split_pattern(pc.if_else(fits, bare, None), ".", max_splits=1)
            whole = pc.cast(pc.list_element(parts, 0), pa.int64())
            padded = pc.if_else(
                pc.equal(pc.list_value_length(parts), 2), pc.binary_join_element_wise(bare, "00", ""), "0.00"
            )
            cents = pc.utf8_slice_codeunits(pc.replace_substring_regex(padded, r"^[^.]*\.", ""), 0, 2)
            fen = pc.add(pc.multiply(whole, 100), pc.cast(pc.if_else(fits, cents, None), pa.int64()))
        fits = pc.and_(pc.fill_null(fits, False), pc.fill_null(pc.less_equal(fen, MOST_FEN), False))
        self.refuse(pc.and_(pc.is_valid(values), pc.invert(fits)), "not_money", name, wording.NOT_MONEY)
        return pc.if_else(fits, fen, None)

    def moment(self, name: str, *, required: bool = False) -> pa.Array:
        """Moments: ISO 8601 with or without an offset, or as spreadsheets write them, in the brand's time zone."""
        values = self._array(name)
        found = _moments(values, self._zone)
        if required or self._layout.field(name).required:
            self.refuse(pc.is_null(values), "needed", name, wording.NEEDED)
        early = pc.fill_null(pc.less(found, pa.scalar(_EARLIEST, MOMENT_TYPE)), False)
        wrong = pc.and_(pc.is_valid(values), pc.or_(pc.is_null(found), early))
        self.refuse(wrong, "not_moment", name, wording.NOT_MOMENT)
        self.refuse(pc.greater(found, pa.scalar(self._now, MOMENT_TYPE)), "future", name, wording.FUTURE)
        return found

    def day(self, name: str) -> pa.Array:
        """Dates since 1900 that have come; a time of day behind one is passed over."""
        values = self._array(name)
        bare = pc.replace_substring_regex(values, r"[ T]\d{1,2}:\d{2}.*$", "")
        found = pa.nulls(self.count, pa.date32())
        for format_ in _DAYS:
            found = pc.coalesce(found, pc.cast(_parsed(bare, format_), pa.date32()))
        known = pc.and_(pc.greater_equal(found, _OLDEST), pc.less_equal(found, self._now.date()))
        wrong = pc.and_(pc.is_valid(values), pc.invert(pc.fill_null(known, False)))
        self.refuse(wrong, "not_day", name, wording.NOT_DAY)
        return pc.if_else(pc.fill_null(known, False), found, None)

    def choice(self, name: str, meanings: Mapping[str, str], default: str) -> pa.Array:
        """One of a few words, by what they mean."""
        if not self.has(name):
            return pa.array([default] * self.count)
        values = pc.utf8_lower(self._array(name))
        found = self._looked_up(values, meanings, pa.string())
        wrong = pc.and_(pc.is_valid(values), pc.is_null(found))
        self.refuse(wrong, "not_choice", name, wording.NOT_CHOICE, choices="、".join(dict.fromkeys(meanings)))
        return pc.fill_null(found, default)

    def known(self, name: str, code: str, message: str, table: Mapping[str, int]) -> pa.Array:
        """Ids by code; a code that is not in the table is refused. Null where the cell is empty."""
        if not self.has(name):
            return pa.nulls(self.count, pa.int64())
        values = self._array(name)
        found = self._looked_up(values, table, pa.int64())
        self.refuse(pc.and_(pc.is_valid(values), pc.is_null(found)), code, name, message)
        return found

    def refuse(self, mask: pa.Array, code: str, name: str, message: str, **told: object) -> None:
        """Refuse the rows where `mask` is true; `message` may name {name}, {value} and what is told."""
        for index in pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist():
            self.refuse_row(index, code, name, message, **told)

    def refuse_row(self, index: int, code: str, name: str, message: str, **told: object) -> None:
        """Refuse one row, unless it is refused already."""
        if index in self._refused:
            return
        self._refused.add(index)
        value = self._shown(name, index)
        text = message.format(name=wording.FIELD.get(name, name), value=value or "", **told)
        values = {name: value} if name else {}
        self.faults.append(Fault(self.numbers[index].as_py(), code, name, text, values))

    def good(self) -> pa.Array:
        """Mask of the rows that nothing is wrong with so far."""
        if not self._refused:
            return pa.array([True] * self.count)
        return pa.array([index not in self._refused for index in range(self.count)])

    def refused(self) -> set[int]:
        """Indices of the rows that are refused."""
        return self._refused

    def _array(self, name: str) -> pa.Array:
        if not self.has(name):
            return pa.nulls(self.count, pa.string())
        column = self._table[name]
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

    def _shown(self, name: str, index: int) -> str | None:
        if not name or not self.has(name):
            return None
        return redacted(self._layout.field(name), self._array(name)[index].as_py())

    def _looked_up(self, values: pa.Array, table: Mapping[str, object], kind: pa.DataType) -> pa.Array:
        if not table:
            return pa.nulls(self.count, kind)
        places = pc.index_in(values, value_set=pa.array(list(table), pa.string()), skip_nulls=True)
        return pc.take(pa.array(list(table.values()), kind), places)


def _all_digits(values: pa.Array) -> bool:
    """Whether nothing has to be taken away from any number: a pattern costs ten times a look."""
    return bool(pc.all(pc.ascii_is_decimal(values)).as_py())


def _moments(values: pa.Array, zone: str) -> pa.Array:
    """Moments in UTC, null where a text is none."""
    iso = _cast(values, r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?$", _NAIVE)
    for format_ in _FORMATS:
        if iso.null_count == values.null_count:
            break
        iso = pc.coalesce(iso, pc.cast(_parsed(values, format_), _NAIVE))
    found = pc.cast(pc.assume_timezone(iso, zone, ambiguous="earliest", nonexistent="earliest"), MOMENT_TYPE)
    if found.null_count > values.null_count:
        pattern = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})$"
        found = pc.coalesce(found, _cast(values, pattern, MOMENT_TYPE))
    return found


def _cast(values: pa.Array, pattern: str, kind: pa.DataType) -> pa.Array:
    """Texts of a pattern as moments. All at once; one by one when some day of them is not in the calendar."""
    texts = pc.if_else(pc.match_substring_regex(values, pattern), values, None)
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        return pa.array([_one(text, kind) for text in texts.to_pylist()], kind)


def _one(text: str | None, kind: pa.DataType) -> datetime | None:
    try:
        return None if text is None else pc.cast(pa.scalar(text), kind).as_py()
    except pa.ArrowInvalid:
        return None


def _parsed(texts: pa.Array, format_: str) -> pa.Array:
    """Texts of a format as moments. Arrow takes the 30th of February for the 1st of March; we do not."""
    found = pc.strptime(texts, format=format_, unit="s", error_is_null=True)
    if found.null_count == len(found):
        return found
    said = pc.struct_field(pc.extract_regex(texts, r"^\d{4}\D?\d{1,2}\D?(?P<day>\d{1,2})"), "day")
    return pc.if_else(pc.equal(pc.day(found), pc.cast(said, pa.int64())), found, None)
