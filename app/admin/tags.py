"""The brand's tags: defining them, letting a segment give them, making them one with WeCom's, retiring them."""

from __future__ import annotations

from typing import Any

from apiflask import Schema, fields
from apiflask.validators import Length
from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.channels import queries as channels
from app.core import audit, clock, ids
from app.core.errors import SiyuError
from app.core.fields import Page, PublicId
from app.core.transaction import transaction
from app.flows import rule_tags, wecom_tags
from app.segments import commands, queries
from app.segments.errors import TagUnknown
from app.segments.lifecycle import STAGES

from . import scope, wording
from .blueprint import api
from .console import console


class TagOut(Schema):
    """`kind`: manual, rule (a segment gives it) or wecom. `wecom`: whether it is one with a tag of WeCom."""

    id = PublicId("tag", attribute="tag_id")
    group = fields.String(attribute="group_name")
    name = fields.String()
    kind = fields.String()
    segment = fields.String(allow_none=True)
    wecom = fields.Boolean(attribute="in_wecom")
    members = fields.Integer()


class TagsOut(Page):
    items = fields.List(fields.Nested(TagOut))


class TagIn(Schema):
    name = fields.String(required=True, validate=Length(1, 30))
    group = fields.String(load_default="", validate=Length(max=30))
    rule = fields.Dict(
        load_default=None, allow_none=True, metadata={"description": "A segment's rule, for a rule tag."}
    )
    corp_tag = fields.String(
        load_default=None, allow_none=True, validate=Length(1, 64), metadata={"description": "Id of a tag of WeCom."}
    )


class DefinedOut(Schema):
    id = PublicId("tag", attribute="tag_id")


class DoneOut(Schema):
    status = fields.String()


class AdoptedOut(Schema):
    adopted = fields.Integer()


@api.get("/tags")
@api.output(TagsOut)
@api.doc(summary="The brand's tags", security="AdminToken", responses=[401, 403])
def tags() -> dict[str, Any]:
    """By group and name, with the number of members of the brand that have each."""
    return {"items": queries.tag_lines(scope.current().brand_id), "next_cursor": None}


@api.post("/tags")
@api.input(TagIn, arg_name="given")
@api.output(DefinedOut, status_code=201)
@api.doc(summary="Define a tag", security="AdminToken", responses=[401, 403, 409, 422])
def define_tag(given: dict[str, Any]) -> dict[str, Any]:
    """With a `rule`, the tag is put on and taken off as the rule says: at once, and every hour."""
    return {"tag_id": _define(given["name"], given["group"], given["rule"], None, given["corp_tag"])}


@api.delete("/tags/<tag_id>")
@api.output(DoneOut)
@api.doc(summary="Retire a tag", security="AdminToken", responses=[401, 403, 404])
def retire_tag(tag_id: str) -> dict[str, str]:
    """It is shown nowhere any more. Defined again by the same name, it is back with those who had it."""
    _retire(tag_id)
    return {"status": "ok"}


@api.post("/tags/<tag_id>/apply")
@api.output(DoneOut)
@api.doc(summary="Have a rule's tag follow its rule now", security="AdminToken", responses=[401, 403, 404])
def apply_tag(tag_id: str) -> dict[str, str]:
    _apply(tag_id)
    return {"status": "ok"}


@api.post("/tags/adopt")
@api.output(AdoptedOut)
@api.doc(summary="Take over WeCom's tags", security="AdminToken", responses=[401, 403])
def adopt_tags() -> dict[str, int]:
    """Every tag of the corp's library that is no tag of ours yet becomes one."""
    return {"adopted": _adopt()}


@console.get("/tags", endpoint="tags")
def tags_page() -> str:
    return _page()


@console.post("/tags", endpoint="define_tag")
def define_on_page() -> ResponseReturnValue:
    given = {name: request.form.get(name, "").strip()[:64] for name in ("name", "group", "follows", "corp_tag")}
    kind, _, what = given["follows"].partition(":")
    rule = {"field": "lifecycle", "op": "in", "value": [what]} if kind == "stage" else None
    segment = ids.decode("seg", what) if kind == "segment" else None
    try:
        _define(given["name"], given["group"], rule, segment, given["corp_tag"] or None)
    except SiyuError as error:
        return _page(failed=error.code, given=given), error.status
    return redirect(url_for("console.tags"))


@console.post("/tags/adopt", endpoint="adopt_tags")
def adopt_on_page() -> ResponseReturnValue:
    _adopt()
    return redirect(url_for("console.tags"))


@console.post("/tags/<tag_id>", endpoint="change_tag")
def change_on_page(tag_id: str) -> ResponseReturnValue:
    act = {"retire": _retire, "apply": _apply}.get(request.form.get("act", ""))
    if act is not None:
        act(tag_id)
    return redirect(url_for("console.tags"))


def _page(**more: Any) -> str:
    brand_id = scope.current().brand_id
    lines = queries.tag_lines(brand_id)
    ours = {line.corp_tag_id for line in lines}
    return render_template(
        "console/tags.html",
        items=lines,
        segments=queries.segments(brand_id),
        stages={stage: wording.LIFECYCLE[stage] for stage in STAGES},
        corp_tags=[one for one in channels.corp_tags(brand_id) if one[0] not in ours],
        **{"failed": "", "given": {}, **more},
    )


def _define(name: str, group: str, rule: dict[str, Any] | None, segment: int | None, corp_tag: str | None) -> int:
    me = scope.current()
    with transaction():
        if corp_tag is not None and not channels.corp_tags(me.brand_id, {corp_tag}):
            raise TagUnknown()
        if rule is not None:
            segment = commands.save_segment(
                brand_id=me.brand_id, name=f"标签 {group}/{name}" if group else f"标签 {name}", rule=rule
            )
        tag_id = commands.define_tag(
            brand_id=me.brand_id,
            name=name,
            group_name=group,
            kind="rule" if segment is not None else "manual",
            segment_id=segment,
            corp_tag_id=corp_tag,
        )
        if segment is not None:
            rule_tags.start(brand_id=me.brand_id, tag_id=tag_id, as_of=clock.now())
        audit.record(actor=me.actor, action="tags.define", subject=ids.encode("tag", tag_id), name=name, group=group)
    return tag_id


def _retire(tag_id: str) -> None:
    me = scope.current()
    with transaction():
        commands.retire_tag(brand_id=me.brand_id, tag_id=ids.decode("tag", tag_id))
        audit.record(actor=me.actor, action="tags.retire", subject=tag_id)


def _apply(tag_id: str) -> None:
    me, wanted = scope.current(), ids.decode("tag", tag_id)
    with transaction():
        if wanted not in queries.rule_tags(me.brand_id):
            raise TagUnknown()
        rule_tags.start(brand_id=me.brand_id, tag_id=wanted, as_of=clock.now())


def _adopt() -> int:
    me = scope.current()
    with transaction():
        corp_tags = [tag_id for tag_id, _, _ in channels.corp_tags(me.brand_id)]
        fresh = [one for one in corp_tags if one not in queries.by_corp_tag(me.brand_id, corp_tags)]
        wecom_tags.adopted(me.brand_id, fresh)
        if fresh:
            audit.record(actor=me.actor, action="tags.adopt", subject=ids.encode("brd", me.brand_id), tags=len(fresh))
    return len(fresh)
