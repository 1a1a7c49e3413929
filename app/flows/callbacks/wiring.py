"""The wiring table of callbacks: which kind of message of Tencent's leads to which flow.

`KEPT` are the kinds that are stored and counted and lead to nothing, on purpose; what is in neither table is unknown.
"""

from __future__ import annotations

from datetime import timedelta

from app.channels import events as channels
from app.core import inbox, outbox
from app.org import events as org

from .. import customer_added, customer_lost, fetch_contact, guides, refresh
from ..coupon_twins import callbacks as coupon_twins
from . import acquisition, cards, chats, miniprogram, official, staff, suite, tags

KEPT = frozenset(
    {
        "wecom.change_external_contact.msg_audit_approved",  # the chat archive is not ours to read
        "wecom.change_contact.update_tag",  # tags of staff mean nothing here
        "wecom.batch_job_result",  # we start no batch jobs
        "wecom.subscribe",
        "wecom.unsubscribe",
        "wecom.enter_agent",
        "wecom.click",
        "wecom.view",
        "wecom.location",
        "wecom.security.change_domain_ip",
        "wecom.close_inactive_agent",
        "wecom.reopen_inactive_agent",
        "wecom.taskcard_click",
        "miniprogram.wxa_media_check",  # we have no user's pictures checked
        "miniprogram.user_enter_tempsession",
    }
)


def wire() -> None:
    """Fill the registry of the inbox, and that of the outbox with what belongs to it."""
    contact = "wecom.change_external_contact"
    inbox.handle(f"{contact}.add_external_contact", customer_added.handle, queue="callbacks")
    inbox.handle(f"{contact}.add_half_external_contact", customer_added.handle, queue="callbacks")
    inbox.handle(f"{contact}.edit_external_contact", fetch_contact.edited)
    inbox.handle(f"{contact}.del_follow_user", customer_lost.handle)
    inbox.handle(f"{contact}.del_external_contact", customer_lost.handle)
    inbox.handle(f"{contact}.transfer_fail", customer_lost.stayed)

    for event in ("template_card_event", "template_card_menu_event"):
        inbox.handle(f"wecom.{event}", cards.PRESSED)

    for change in ("create", "update"):
        inbox.handle(f"wecom.change_external_chat.{change}", chats.changed)
    inbox.handle("wecom.change_external_chat.dismiss", chats.dismissed)
    for change in ("create", "update", "shuffle"):
        inbox.handle(f"wecom.change_external_tag.{change}", tags.changed)
    inbox.handle("wecom.change_external_tag.delete", tags.deleted)

    for change in ("create_user", "update_user"):
        inbox.handle(f"wecom.change_contact.{change}", staff.changed)
    inbox.handle("wecom.change_contact.delete_user", staff.left)
    for change in ("create_party", "update_party"):
        inbox.handle(f"wecom.change_contact.{change}", staff.departments_changed)
    inbox.handle("wecom.change_contact.delete_party", staff.department_left)
    outbox.subscribe(org.GuideJoined, "guide.joined", guides.on_joined)
    outbox.subscribe(org.GuideLeft, "guide.left", guides.on_left)

    for change in acquisition.BALANCES:
        inbox.handle(f"wecom.customer_acquisition.{change}", acquisition.balance)
    for change in acquisition.LINKS:
        inbox.handle(f"wecom.customer_acquisition.{change}", acquisition.link)
    for change in acquisition.ARRIVALS:
        inbox.handle(f"wecom.customer_acquisition.{change}", acquisition.arrival)

    inbox.handle("official.subscribe", official.followed)
    inbox.handle("official.unsubscribe", official.left)
    for kind in official.ACTIVE:
        inbox.handle(f"official.{kind}", official.active)

    for event in ("subscribe_msg_popup_event", "subscribe_msg_change_event"):
        inbox.handle(f"miniprogram.{event}", miniprogram.subscribed)
    inbox.handle("miniprogram.subscribe_msg_sent_event", miniprogram.sent)
    for event in ("user_authorization_revoke", "user_authorization_cancellation", "user_info_modified"):
        inbox.handle(f"miniprogram.{event}", miniprogram.revoked)

    for kind in coupon_twins.KINDS:
        inbox.handle(f"{coupon_twins.PREFIX}.{kind}", coupon_twins.told)

    inbox.handle("suite.suite_ticket", suite.ticket)
    for event in ("create_auth", "change_auth", "reset_permanent_code", "cancel_auth"):
        inbox.handle(f"suite.{event}", suite.authorised)

    # A burst of callbacks about one thing is asked about once; and WeCom's answers lag behind its callbacks.
    outbox.subscribe(channels.RefreshWanted, "wecom.refresh", refresh.REFRESH, delay=timedelta(seconds=2))
