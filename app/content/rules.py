"""How text with variables becomes what a customer reads. Pure: no database, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import MaterialInvalid, VariableUnknown

# Every variable an operator may write, and what stands there when the value is not known.
VARIABLES: Mapping[str, str] = {
    "name": "亲爱的顾客",
    "brand": "我们",
    "store": "门店",
    "guide": "您的专属导购",
    "tier": "会员",
    "points": "0",
    "coupon": "专属优惠券",
}
MAX_BODY = 1200  # characters; WeCom takes 4000 bytes of text, a Chinese character is three
MAX_TITLE = 60
MAX_VALUE = 60

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")

_NEEDS = {"text": ("body",), "image": ("image_url",), "link": ("link_url",), "miniprogram": ("page", "image_url")}


def variables_of(text: str) -> set[str]:
    """The variables a text names."""
    return set(_VARIABLE.findall(text))


def render(text: str, values: Mapping[str, str | None]) -> str:
    """Put values into a text in one pass: a value that itself looks like a variable is left as it is.

    Values come from outside (a customer chooses their own nickname), so control and direction characters are taken
    out of them and they are cut at 60 characters. Braces that are no known variable stay as written.
    """

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in VARIABLES:
            return match.group(0)
        value = _CONTROL.sub("", values.get(name) or "").strip()
        return value[:MAX_VALUE] or VARIABLES[name]

    return _VARIABLE.sub(one, text)


def check(*, kind: str, title: str, body: str, image_url: str | None, link_url: str | None, page: str | None) -> None:
    """Refuse material that could not be sent: unknown variables, missing parts, too long, links that are not https."""
    if kind not in _NEEDS:
        raise MaterialInvalid(field="kind", allowed=sorted(_NEEDS))
    parts = {"body": body, "image_url": image_url, "link_url": link_url, "page": page}
    for field in _NEEDS[kind]:
        if not parts[field]:
            raise MaterialInvalid(field=field)
    if not title or len(title) > MAX_TITLE:
        raise MaterialInvalid(field="title", limit=MAX_TITLE)
    if len(body) > MAX_BODY:
        raise MaterialInvalid(field="body", limit=MAX_BODY)
    for field in ("image_url", "link_url"):
        url = parts[field]
        if url and not url.startswith(("https://", "http://127.0.0.1", "http://localhost", "/")):
            raise MaterialInvalid(field=field)
    check_variables(title, body)


def check_variables(*texts: str | None) -> None:
    unknown = sorted(set().union(*(variables_of(text or "") for text in texts)) - set(VARIABLES))
    if unknown:
        raise VariableUnknown(variables=unknown, known=sorted(VARIABLES))
