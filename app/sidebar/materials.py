"""Material a guide may send, as their store says it and with the customer's name in it."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length

from app.content import queries as content
from app.content.queries import MaterialView, Rendered
from app.org import queries as org

from . import auth
from .blueprint import api
from .customer import followed, values_for
from .shapes import MessageOut, PublicId


class MaterialsIn(Schema):
    external_userid = fields.String(load_default="", validate=Length(max=128))


class MaterialOut(Schema):
    id = PublicId("mat", attribute="material_id")
    kind = fields.String(metadata={"description": "text, image, link or miniprogram."})
    title = fields.String()
    text = fields.String(metadata={"description": "The words, variables filled in."})
    image_url = fields.String(allow_none=True)
    link_url = fields.String(allow_none=True)
    message = fields.Nested(MessageOut)


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
        "message": _message(rendered, appid),
    }


def _message(rendered: Rendered, appid: str) -> dict[str, Any]:
    """The argument of `ww.sendChatMessage`. A picture goes as a link to it: the call takes no address of a picture."""
    if not rendered.attachments:
        return {"msgtype": "text", "text": {"content": rendered.text}}
    card = rendered.attachments[0]
    if card.kind == "miniprogram":
        program = {"appid": appid, "title": card.title, "imgUrl": card.image_url, "page": card.page}
        return {"msgtype": "miniprogram", "miniprogram": program}
    link = card.url or card.image_url
    return {
        "msgtype": "news",
        "news": {
            "link": link,
            "title": card.title,
            "desc": card.description or rendered.text,
            "imgUrl": card.image_url,
        },
    }
