"""Reading a callback body, XML or JSON, into one shape.

Every scalar becomes a string in both formats, because the same field arrives as a number here and as text there.
The known oddities of the wire are settled, so that a handler never meets them:

- `MemChangeList` is a list of strings, with one `Item` or many (XML gives a bare string for one);
- `SelectedItems` is a list of {QuestionKey, OptionIds: [..]}, also where Tencent spells it `OpitonIds/OpitonId`;
- `List` of the subscribe-message events is a list of objects, whether it came as object, array or nested XML;
- `BatchJob` is lifted to the top level, where one variant of the event already has its fields;
- the events of a suite (`InfoType`, `TimeStamp`) have the names of every other event too (`Event`, `CreateTime`).

No DTD, no entities, bounded depth and number of nodes. `PayloadError` is the only exception.
"""

from __future__ import annotations

import json
from typing import Any
from xml.parsers import expat

MAX_DEPTH = 16
MAX_NODES = 20_000

_SUBSCRIBE = ("SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent", "SubscribeMsgSentEvent")


class PayloadError(ValueError):
    """The body is not XML or JSON we are willing to read."""


def parse(body: bytes) -> dict[str, Any]:
    """The top-level fields of `body`, which is JSON when its first character is `{` and XML otherwise."""
    return parse_json(body) if body.lstrip()[:1] == b"{" else parse_xml(body)


def parse_json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"), parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise PayloadError("not JSON") from error
    if not isinstance(value, dict):
        raise PayloadError("not a JSON object")
    return _text_only(value, depth=0, seen=[0])


def parse_xml(body: bytes) -> dict[str, Any]:
    reader = _XmlReader()
    try:
        reader.parser().Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise PayloadError("not XML") from error
    if not isinstance(reader.result, dict):
        raise PayloadError("no fields")
    return reader.result


def normalise(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` with the oddities listed above settled."""
    for name in _SUBSCRIBE:
        nested = fields.pop(name, None)
        if isinstance(nested, dict):
            fields.setdefault("List", nested.get("List", []))
    if "List" in fields:
        fields["List"] = _objects(fields["List"])
    if "MemChangeList" in fields:
        fields["MemChangeList"] = _strings(fields["MemChangeList"], "Item")
    if "SelectedItems" in fields:
        fields["SelectedItems"] = [_selected(item) for item in _objects(fields["SelectedItems"], "SelectedItem")]
    job = fields.pop("BatchJob", None)
    if isinstance(job, dict):
        fields = job | fields
    if "InfoType" in fields and "MsgType" not in fields:
        fields |= {"MsgType": "event", "Event": fields["InfoType"]}
        fields.setdefault("CreateTime", fields.get("TimeStamp", ""))
    return fields


def _selected(item: dict[str, Any]) -> dict[str, Any]:
    options = item.get("OptionIds", item.get("OpitonIds", []))
    return {"QuestionKey": item.get("QuestionKey", ""), "OptionIds": _strings(options, "OptionId", "OpitonId")}


def _unwrap(value: Any, names: tuple[str, ...]) -> list[Any]:
    if isinstance(value, dict):
        for name in names:
            if name in value:
                return _unwrap(value[name], ())
    if isinstance(value, list):
        return value
    return [] if value == "" else [value]


def _objects(value: Any, *names: str) -> list[dict[str, Any]]:
    return [entry for entry in _unwrap(value, names) if isinstance(entry, dict)]


def _strings(value: Any, *names: str) -> list[str]:
    return [entry for entry in _unwrap(value, names) if isinstance(entry, str)]


def _text_only(value: Any, *, depth: int, seen: list[int]) -> Any:
    seen[0] += 1
    if depth > MAX_DEPTH or seen[0] > MAX_NODES:
        raise PayloadError("too deep or too large")
    if isinstance(value, dict):
        return {_clean(k): _text_only(v, depth=depth + 1, seen=seen) for k, v in value.items()}
    if isinstance(value, list):
        return [_text_only(v, depth=depth + 1, seen=seen) for v in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else _clean(value)


def _clean(text: str) -> str:
    # JSON can spell NUL and lone surrogates, which no database column and no UTF-8 encoder accepts.
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise PayloadError("characters that are not text")
    return text


class _XmlReader:
    """Elements to dicts, repeated elements to lists, leaves to stripped text; attributes are ignored."""

    def __init__(self) -> None:
        self.result: Any = None
        self._stack: list[tuple[dict[str, Any], list[str]]] = []
        self._nodes = 0

    def parser(self) -> expat.XMLParserType:
        """A parser that reports to this reader; kept apart from it, as a cycle would wait for the collector."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.ProcessingInstructionHandler = self._refuse
        return parser

    def _refuse(self, *_: Any) -> None:
        raise PayloadError("DTDs, entities and processing instructions are refused")

    def _start(self, _name: str, _attributes: dict[str, str]) -> None:
        self._nodes += 1
        if len(self._stack) > MAX_DEPTH or self._nodes > MAX_NODES:
            raise PayloadError("too deep or too large")
        self._stack.append(({}, []))

    def _text(self, text: str) -> None:
        if self._stack:
            self._stack[-1][1].append(text)

    def _end(self, name: str) -> None:
        children, texts = self._stack.pop()
        value: Any = children or "".join(texts).strip()
        if not self._stack:
            self.result = value
            return
        siblings = self._stack[-1][0]
        if name not in siblings:
            siblings[name] = value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]
