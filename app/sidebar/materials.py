"""Material a guide may send, as their store says it and with the customer's name in it."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length
from flask import current_app

from app.content import queries as content
from app.content.queries import MaterialView, Rendered
from app.core.fields import PublicId
from app.org import queries as org
from app.settings import Settings

from . import auth
from .blueprint import api
from .customer import followed, values_for
from .shapes import MessageOut


class MaterialsIn(Schema):
    external_userid = fields.String(load_default="", validate=Length(max=128))


class MaterialOut(Schema):
    id = PublicId("mat", attribute="material_id")
    kind = fields.String(metadata={"description": "text, image, link or miniprogram."})
    title = fields.String()
    text = fields.String(metadata={"description": "The words, variables filled in."})
    image_url = fields.String(allow_none=True)
    link_url = fields.String(allow_none=True)
    messages = fields.List(
        fields.Nested(MessageOut), metadata={"description": "To be sent one after the other: the words, then the card."}
    )


class MaterialsOut(Schema):
    items = fields.List(fields.Nested(MaterialOut))


@api.get("/materials")
@api.input(MaterialsIn, location="query")
@api.output(MaterialsOut)
@api.doc(summary="Material to send", security=auth.SECURITY, responses=[401, 404])
def materials(query_data: dict[str, str]) -> dict[str, Any]:
    """All active material; with `external_userid`, addressed to that customer."""
    guide = auth.guide()
    external_userid = query_data["external_userid"]
    customer = followed(guide, external_userid) if external_userid else None
    values = values_for(guide, customer)
    appid = appid_of(guide.brand_id)
    return {"items": [shown(one, values, appid) for one in content.materials(guide.brand_id, guide.store_id)]}


def appid_of(brand_id: int) -> str:
    account = org.account(brand_id, "miniprogram")
    return account.namespace if account else ""


def shown(material: MaterialView, values: dict[str, str | None], appid: str) -> dict[str, Any]:
    """Material as the page shows it and as the chat takes it."""
    rendered = material.rendered(values)
    card = rendered.attachments[0] if rendered.attachments else None
    return {
        "material_id": material.material_id,
        "kind": material.kind,
        "title": card.title if card else material.title,
        "text": rendered.text or (card.description if card else ""),
        "image_url": material.image_url,
        "link_url": material.link_url,
        "messages": _messages(rendered, appid),
    }


def _messages(rendered: Rendered, appid: str) -> list[dict[str, Any]]:
    """The arguments of `ww.sendChatMessage`. A picture goes as a link to it: the call takes no address of a picture."""
    messages: list[dict[str, Any]] = []
    if rendered.text:
        messages.append({"msgtype": "text", "text": {"content": rendered.text}})
    for card in rendered.attachments:
        picture = _absolute(card.image_url)
        if card.kind == "miniprogram":
            program = {"appid": appid, "title": card.title, "imgUrl": picture, "page": card.page}
            messages.append({"msgtype": "miniprogram", "miniprogram": program})
        else:
            news = {
                "link": _absolute(card.url) or picture,
                "title": card.title,
                "desc": card.description,
                "imgUrl": picture,
            }
            messages.append({"msgtype": "news", "news": news})
    return messages


def _absolute(url: str) -> str:
    """An address that WeCom's client can open by itself; our own files are stored without a host."""
    settings: Settings = current_app.extensions["siyu"]
    return settings.public_url.rstrip("/") + url if url.startswith("/") else url
