"""Tell a guide inside WeCom what waits for them: new tasks, overdue tasks.

The message is put together and reserved in `read`, and WeCom itself drops a repetition of the same content, so a worker
killed between sending and recording sends nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import current_app

from app.channels import commands as channels
from app.core import clock, context, ids
from app.core.errors import ProgrammingError, SiyuError
from app.core.work import Effect
from app.org import queries as org
from app.settings import Settings
from app.sop import commands as sop
from app.sop.events import TaskCreated, TasksDue, TasksOverdue
from app.wechat.errors import UnknownOutcome
from app.wechat.wecom import Sent, TemplateCard, TextCard

from . import accounts, wording
from .callbacks import cards

DEDUPE_SECONDS = 4 * 3600  # the most WeCom offers, and longer than a delivery is tried


@dataclass(frozen=True)
class Request:
    kind: str
    key: str
    brand_id: int
    userid: str
    card: TextCard | TemplateCard


def _read_new(event: TaskCreated | TasksDue) -> Request | None:
    """All untold tasks of the guide in one message; an event whose tasks went out with another has nothing to say."""
    if event.guide_id is None:
        return None
    if isinstance(event, TaskCreated) and datetime.fromisoformat(event.due_at) > clock.now():
        return None
    notice = sop.claim_notice(brand_id=event.brand_id, guide_id=event.guide_id, notice_id=_cause())
    if notice is None:
        return None
    return _request(
        "guide_notice",
        event.brand_id,
        event.guide_id,
        words=wording.new_tasks(notice.count, notice.first_title),
        task_id=notice.first_task_id,
    )


def _read_overdue(event: TasksOverdue) -> Request | None:
    words = (wording.overdue_in_store if event.level == "store_manager" else wording.overdue)(event.count)
    return _request(
        "guide_reminder",
        event.brand_id,
        event.guide_id,
        words=words,
        task_id=event.first_task_id,
        button=event.count == 1 and event.level != "store_manager",
    )


def _request(
    kind: str, brand_id: int, guide_id: int, *, words: wording.Words, task_id: int, button: bool = False
) -> Request | None:
    """With a `button` the message is a card on which the one task can be declared done (callbacks.cards)."""
    guide = org.guide(guide_id)
    if guide is None or guide.status != "active":
        return None
    key = str(_cause())
    channels.reserve_outbound(kind, key, brand_id)
    settings: Settings = current_app.extensions["siyu"]
    task = ids.encode("tsk", task_id)
    url = f"{settings.public_url.rstrip('/')}/sidebar/?{urlencode({'corp_id': guide.corp_id, 'task': task})}"
    card: TextCard | TemplateCard = TextCard(words.title, words.description, url, btntxt=wording.OPEN)
    if button:
        content = {
            "main_title": {"title": words.title, "desc": words.description},
            "card_action": {"type": 1, "url": url},
            "button_list": [{"text": wording.DONE, "style": 1, "key": cards.DONE}],
        }
        card = TemplateCard("button_interaction", content, task_id=f"{task}@{key}")
    return Request(kind, key, brand_id, guide.userid, card)


def _cause() -> int:
    cause = context.cause_id()
    if cause is None:
        raise ProgrammingError("a notice is sent because of an event")
    return cause


def _send(request: Request) -> Sent:
    gateway = accounts.wecom(request.brand_id)
    return gateway.send_app_message([request.userid], request.card, dedupe_seconds=DEDUPE_SECONDS)


def _record(request: Request, answer: Sent | SiyuError) -> None:
    if isinstance(answer, SiyuError):
        status = "unknown" if isinstance(answer, UnknownOutcome) else "failed"
        channels.finish_outbound(request.kind, request.key, status=status, error=answer.code)
    elif answer.invalid_users:
        channels.finish_outbound(request.kind, request.key, status="failed", error="userid_invalid")
    else:
        channels.finish_outbound(request.kind, request.key, status="sent", outside_id=answer.msgid)


new_tasks = Effect(_read_new, _send, _record)
overdue_tasks = Effect(_read_overdue, _send, _record)
