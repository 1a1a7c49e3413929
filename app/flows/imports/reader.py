"""Files of other systems as chunks of rows: UTF-8 or GB18030 CSV and Parquet, read as a stream in flat memory.

Every cell becomes trimmed text or null here; what it means is checked by `cells`. Rows are numbered as a spreadsheet
shows them: the header of a CSV is row 1, the first row of Parquet is 1.
"""

from __future__ import annotations

import codecs
import csv as plain_csv
import hashlib
import io
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from app.imports.commands import Fault
from app.imports.errors import FileUnreadable
from app.imports.rules import Column, Layout, columns
from app.imports.wording import MALFORMED, NOT_DECODED

BLOCK = 2 << 20
HEADER_BYTES = 1 << 20
COLUMN_BYTES = 64 << 20  # of a batch's column, as text
_MAGIC = b"PAR1"
_DELIMITERS = (",", "\t", ";", "|")
# What a decoder put for what it could not read, and what no database takes.
_SPOILED = "[\\x00\N{REPLACEMENT CHARACTER}]"


@dataclass(frozen=True)
class Opened:
    """What a look at a file found. `before`: number of the last row before the first. `spoiled`: not all of it can be
    decoded."""

    format: str
    columns: tuple[Column, ...]
    header: tuple[str, ...]
    digest: str
    size: int
    before: int
    encoding: str = "utf-8"
    spoiled: bool = False
    delimiter: str = ","


@dataclass(frozen=True)
class Chunk:
    """Rows of a file numbered `after` < row <= `until`: text columns by field name, and `row`, their numbers.

    `faults`: rows that could not be taken apart.
    """

    after: int
    until: int
    table: pa.Table
    faults: tuple[Fault, ...] = field(default=())

    @property
    def read(self) -> int:
        """How many rows these are, those that could not be taken apart too."""
        return self.table.num_rows + len({fault.row_no for fault in self.faults})


def inspect(file: IO[bytes], kind: str, mapping: Mapping[str, str] | None = None) -> Opened:
    """Look once through a file: its digest, its encoding, its header. Raises FileUnreadable, HeaderWrong."""
    digest, size, decodes = hashlib.sha256(), 0, codecs.getincrementaldecoder("utf-8")()
    head, is_utf8 = b"", True
    file.seek(0)
    while block := file.read(BLOCK):
        head = head or block[:HEADER_BYTES]
        digest.update(block)
        size += len(block)
        if is_utf8:
            try:
                decodes.decode(block)
            except UnicodeDecodeError:
                is_utf8 = False
    told: dict[str, Any] = {"digest": digest.hexdigest(), "size": size}
    if head[:4] == _MAGIC:
        return _opened_parquet(file, kind, mapping, told)
    # A header that is UTF-8 beyond ASCII says what the file is, whatever some row of it holds.
    encoding = "utf-8" if is_utf8 or _is_utf8(head.splitlines()[0]) else "gb18030"
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    if not text.strip() or "\0" in text:
        raise FileUnreadable()
    delimiter = max(_DELIMITERS, key=text.splitlines()[0].count)
    try:
        header = tuple(next(plain_csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ()))
    except plain_csv.Error as error:  # a quote that never ends
        raise FileUnreadable() from error
    return Opened(
        format="csv",
        columns=columns(kind, header, mapping),
        header=header,
        before=1,
        encoding=encoding,
        spoiled=not is_utf8,
        delimiter=delimiter,
        **told,
    )


def chunks(file: IO[bytes], opened: Opened, layout: Layout, *, after: int) -> Iterator[Chunk]:
    """The rows of a file after a number, as chunks of about the layout's size that tear no group apart."""
    file.seek(0)
    rows = _parquet(file, opened) if opened.format == "parquet" else _csv(file, opened)
    waiting: list[pa.Table] = []
    faults: deque[Fault] = deque()
    held, seen = 0, opened.before
    begun = after
    for until, table, broken in rows:
        seen = until
        faults.extend(fault for fault in broken if fault.row_no > after)
        if until <= after:
            continue
        if table.num_rows and table["row"][0].as_py() <= after:
            table = table.filter(pc.greater(table["row"], after))
        waiting.append(table)
        held += table.num_rows
        while held >= layout.chunk:
            whole = pa.concat_tables(waiting).combine_chunks()
            size = _cut(whole, layout)
            if size == held and layout.group and held < 4 * layout.chunk:
                break  # one group so far: it may go on in the next batch
            last = whole["row"][size].as_py() - 1 if size < held else until
            yield Chunk(begun, last, whole.slice(0, size), _up_to(faults, last))
            begun, waiting, held = last, [whole.slice(size)], held - size
    if held or faults or seen > begun:
        table = pa.concat_tables(waiting).combine_chunks() if waiting else _empty(opened)
        yield Chunk(begun, seen, table, tuple(faults))


def packed(chunk: Chunk) -> bytes:
    """A chunk as bytes, for storing."""
    told = json.dumps({"after": chunk.after, "until": chunk.until, "faults": [asdict(one) for one in chunk.faults]})
    sink = io.BytesIO()
    schema = chunk.table.schema.with_metadata({"chunk": told})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        writer.write_table(chunk.table.replace_schema_metadata({"chunk": told}))
    return sink.getvalue()


def unpacked(body: bytes) -> Chunk:
    """The chunk behind `packed`."""
    table = pa.ipc.open_stream(body).read_all()
    told = json.loads(table.schema.metadata[b"chunk"])
    faults = tuple(Fault(**one) for one in told["faults"])
    return Chunk(told["after"], told["until"], table.replace_schema_metadata(None), faults)


def _is_utf8(line: bytes) -> bool:
    try:
        return not line.decode().isascii()
    except UnicodeDecodeError:
        return False


def _cut(whole: pa.Table, layout: Layout) -> int:
    """How many rows from the start make a chunk: at most the layout's size, whole groups, at least one group."""
    size = min(layout.chunk, whole.num_rows)
    if layout.group is None:
        return size
    group = whole[layout.group].combine_chunks()
    if size < len(group) and group[size - 1].as_py() != group[size].as_py():
        return size
    same = pc.indices_nonzero(pc.fill_null(pc.not_equal(group.slice(0, size), group[size - 1]), True))
    if len(same):
        return int(same[-1].as_py()) + 1
    later = pc.indices_nonzero(pc.fill_null(pc.not_equal(group, group[0]), True))
    return int(later[0].as_py()) if len(later) else whole.num_rows


def _up_to(faults: deque[Fault], last: int) -> tuple[Fault, ...]:
    found = []
    while faults and faults[0].row_no <= last:
        found.append(faults.popleft())
    return tuple(found)


def _empty(opened: Opened) -> pa.Table:
    named: dict[str, Any] = {column.field.name: pa.array([], pa.string()) for column in opened.columns}
    return pa.table({"row": pa.array([], pa.int64()), **named})


def _csv(file: IO[bytes], opened: Opened) -> Iterator[tuple[int, pa.Table, list[Fault]]]:
    """Batches: number of the last row, the rows that have all their cells, those that have not."""
    torn: deque[Fault] = deque()
    expected = len(opened.header)

    def note(row: csv.InvalidRow) -> str:
        torn.append(Fault(row.number, "columns", "", MALFORMED.format(expected=expected, actual=row.actual_columns)))
        return "skip"

    clean = opened.encoding == "utf-8" and not opened.spoiled
    stream: Any = file if clean else pa.PythonFile(_Transcoded(file, opened.encoding), mode="r")
    names = [f"c{position}" for position in range(expected)]
    used = {names[column.position]: column.field.name for column in opened.columns}
    try:
        reader = csv.open_csv(
            stream,
            # Without threads the parser knows the number of a torn row.
            read_options=csv.ReadOptions(
                use_threads=False, block_size=BLOCK, column_names=names, skip_rows_after_names=1
            ),
            parse_options=csv.ParseOptions(
                delimiter=opened.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=note,
            ),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=list(used),
                strings_can_be_null=False,
            ),
        )
        last = 1
        for batch in reader:
            numbers, last, broken = _numbered(last, batch.num_rows, torn)
            yield last, *_tidy(batch, used, numbers, broken)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise FileUnreadable() from error
    if torn:
        yield torn[-1].row_no, _empty(opened), list(torn)


def _numbered(last: int, count: int, torn: deque[Fault]) -> tuple[pa.Array, int, list[Fault]]:
    """Numbers of the next `count` whole rows, the last of them, and the torn rows among them."""
    parts, broken = [], []
    while torn and torn[0].row_no <= last + count:
        fault = torn.popleft()
        before = fault.row_no - last - 1
        parts.append(pa.array(range(last + 1, last + 1 + before), pa.int64()))
        count -= before
        last = fault.row_no
        broken.append(fault)
    parts.append(pa.array(range(last + 1, last + 1 + count), pa.int64()))
    return pa.concat_arrays(parts), last + count, broken


def _tidy(
    batch: pa.RecordBatch, used: Mapping[str, str], numbers: pa.Array, broken: list[Fault]
) -> tuple[pa.Table, list[Fault]]:
    """Cells trimmed, empty ones null; empty rows gone, rows that were not decoded refused."""
    cells = {"row": numbers}
    blank: pa.Array = None
    spoiled: pa.Array = None
    for name, meant in used.items():
        text = pc.utf8_trim_whitespace(batch[name])
        empty = pc.fill_null(pc.equal(text, ""), True)
        cells[meant] = pc.if_else(empty, None, text)
        bad = pc.fill_null(pc.match_substring_regex(text, _SPOILED), False)
        blank = empty if blank is None else pc.and_(blank, empty)
        spoiled = bad if spoiled is None else pc.or_(spoiled, bad)
    table = pa.table(cells)
    if pc.any(spoiled).as_py():
        broken = broken + [Fault(number.as_py(), "encoding", "", NOT_DECODED) for number in numbers.filter(spoiled)]
        blank = pc.or_(blank, spoiled)
    if pc.any(blank).as_py():
        table = table.filter(pc.invert(blank))
    return table, sorted(broken, key=lambda fault: fault.row_no)


class _Transcoded(io.RawIOBase):
    """A file of another encoding as UTF-8, block by block; what cannot be decoded becomes U+FFFD."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file, self._decoder, self._rest = file, codecs.getincrementaldecoder(encoding)("replace"), b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._rest or 0 <= len(self._rest) < size:
            block = self._file.read(BLOCK)
            self._rest += self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _opened_parquet(file: IO[bytes], kind: str, mapping: Mapping[str, str] | None, told: Mapping[str, Any]) -> Opened:
    file.seek(0)
    try:
        header = tuple(parquet.ParquetFile(file).schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable() from error
    return Opened(format="parquet", columns=columns(kind, header, mapping), header=header, before=0, **told)


def _parquet(file: IO[bytes], opened: Opened) -> Iterator[tuple[int, pa.Table, list[Fault]]]:
    used = {opened.header[column.position]: column.field.name for column in opened.columns}
    last = 0
    try:
        # Texts come as dictionaries, so that how much they unfold to is known before they do.
        opened_file = parquet.ParquetFile(file, read_dictionary=list(used))
        for batch in opened_file.iter_batches(batch_size=16_384, columns=list(used), use_threads=False):
            cells = {name: _unfolded(batch[name]) for name in used}
            numbers = pa.array(range(last + 1, last + 1 + batch.num_rows), pa.int64())
            last += batch.num_rows
            yield last, *_tidy(pa.RecordBatch.from_pydict(cells), used, numbers, [])
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable() from error


def _unfolded(column: pa.Array) -> pa.Array:
    """A column of Parquet as text; FileUnreadable for a bomb: a few bytes of file that stand for gigabytes of it."""
    if pa.types.is_dictionary(column.type):
        length = pc.take(pc.binary_length(column.dictionary), column.indices)
        if (pc.sum(length).as_py() or 0) > COLUMN_BYTES:
            raise FileUnreadable()
    return pc.cast(column, pa.string())
