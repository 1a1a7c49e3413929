"""A guide presses a button of a card in WeCom (docs path/90240): the task it is about is done, and the card says so.

The task id of a card is the task's public id, `@`, and what made the message. Only tasks that a guide's word proves
(calls, invitations) can be done this way; the others are told to go to the sidebar.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core import ids
from app.core.errors import SiyuError
from app.core.inbox import Inbox
from app.core.work import Effect
from app.org import queries as org
from app.sop import commands as sop
from app.sop.errors import EvidenceInvalid, TaskClosed, TaskNotDue, TaskUnknown
from app.wechat.errors import Rejected

from .. import accounts, wording
from .told import told

DONE = "done"


@dataclass(frozen=True)
class Request:
    brand_id: int
    userid: str
    response_code: str
    label: str


def task_of(card: str) -> int | None:
    """The task a card's id names; None for a card that is about none."""
    try:
        return ids.decode("tsk", card.partition("@")[0])
    except SiyuError:
        return None


def _read(row: Inbox) -> Request | None:
    news = told(row)
    task_id = task_of(news.optional("TaskId") or "")
    guide = org.guide_by_userid(news.namespace, news.text("FromUserName"))
    code = news.optional("ResponseCode")
    if task_id is None or guide is None or guide.brand_id != news.brand_id or news.optional("EventKey") != DONE:
        return None
    try:
        sop.complete(
            brand_id=news.brand_id,
            task_id=task_id,
            guide_id=guide.id,
            evidence={"kind": "note", "note": wording.DONE_BY_CARD},
        )
        label = wording.CARD_DONE
    except (EvidenceInvalid, TaskNotDue):
        label = wording.CARD_ELSEWHERE
    except (TaskClosed, TaskUnknown):
        label = wording.CARD_OVER
    return None if code is None else Request(news.brand_id, guide.userid, code, label)


def _call(request: Request) -> None:
    accounts.wecom(request.brand_id).update_card_button([request.userid], request.response_code, request.label)


def _record(request: Request, answer: SiyuError | None) -> None:
    """The card's new face is a courtesy: a code that is used or too old changes nothing that counts."""
    if isinstance(answer, SiyuError) and not isinstance(answer, Rejected):
        raise answer


PRESSED = Effect(read=_read, call=_call, record=_record)
