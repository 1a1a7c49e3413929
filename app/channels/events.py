"""What happened between customers and guides. `at` is Tencent's moment, in epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True, kw_only=True)
class CustomerAdded(Event):
    """A customer added a guide. `welcome_code` lives 20 seconds from `at`; None when there is nothing to answer.

    `guide_id` is None when the member of staff is no guide of ours; `new` is False when a half-added contact became
    a whole one and only the welcome code is news.
    """

    name = "channels.customer_added"

    corp_id: str
    userid: str
    external_userid: str
    at: int
    welcome_code: str | None = None
    state: str | None = None
    guide_id: int | None = None
    store_id: int | None = None
    new: bool = True


@dataclass(frozen=True, kw_only=True)
class CustomerLost(Event):
    """A relation ended: `by` is customer (one-way, the guide still sees them) or guide (gone); `transferred`: the
    customer went to another guide.
    """

    name = "channels.customer_lost"

    corp_id: str
    userid: str
    external_userid: str
    at: int
    by: str
    transferred: bool = False


@dataclass(frozen=True, kw_only=True)
class ContactFetched(Event):
    """Name and union id of a customer are known now; `person_id` is who it is after linking."""

    name = "channels.contact_fetched"

    corp_id: str
    external_userid: str
