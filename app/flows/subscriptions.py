"""The wiring table: which message, event or cron slot leads to which flow. A reader sees every reaction here."""

from __future__ import annotations

from app.channels import events as channels
from app.channels.codes import events as codes
from app.core import outbox, slots
from app.coupons import commands as coupon_commands
from app.coupons import events as coupon_events
from app.coupons.fraud import events as fraud
from app.coupons.twins import events as twin_events
from app.identity import events as identity
from app.imports import events as imports
from app.members import events as members
from app.points import events as points
from app.privacy import events as privacy
from app.sales import events as sales
from app.segments import events as segments
from app.sop import events as sop
from app.tiers import events as tiers

from . import (
    arrivals,
    channel_codes,
    consents,
    coupon_limits,
    coupon_orders,
    coupons,
    doctor,
    erase,
    export_person,
    fetch_contact,
    gifts,
    guide_notice,
    merge,
    owed_coupons,
    points_expiry,
    push,
    rekey,
    retention,
    rule_tags,
    sop_on_event,
    sop_schedule,
    step_coupon,
    taken_back,
    tier_benefits,
    tier_review,
    traits,
    wecom_tags,
    welcome,
)
from .callbacks import wiring as callbacks
from .coupon_twins import converge, leaving, nightly, reactions, stocks, wallets
from .imports import engine
from .sync import conversions
from .sync import runs as sync_runs
from .sync import turn as sync_turn
from .sync.events import ConversionsDue, SyncAdvanced


def wire() -> None:
    """Fill the registries of core; called once by the composition root."""
    # identity, members, channels
    callbacks.wire()
    outbox.subscribe(channels.CustomerAdded, "welcome.send", welcome.WELCOME, queue="callbacks")
    outbox.subscribe(channels.CustomerAdded, "contact.fetch", fetch_contact.AFTER_ADDING, queue="messages")

    # channel codes
    outbox.subscribe(codes.CodeChanged, "codes.tell", channel_codes.TELL, queue="messages")
    outbox.subscribe(channels.CustomerAdded, "codes.arrival", arrivals.on_added)
    outbox.subscribe(channels.CustomerAdded, "codes.tag", arrivals.TAG, queue="messages")
    outbox.subscribe(channels.CustomerLost, "codes.lost", arrivals.on_lost)
    outbox.subscribe(channels.OfficialFollowed, "codes.followed", arrivals.on_official_followed)
    slots.handle("channels.codes", channel_codes.tend)

    # privacy
    outbox.subscribe(members.Joined, "privacy.on_joined", consents.on_joined)
    outbox.subscribe(identity.Merged, "privacy.on_merged", consents.on_merged)
    outbox.subscribe(identity.Split, "privacy.on_split", consents.on_split)
    outbox.subscribe(privacy.OptedOut, "privacy.stop_marketing", consents.on_opted_out)
    outbox.subscribe(privacy.ExportAsked, "privacy.export", export_person.make, queue="bulk")
    outbox.subscribe(privacy.ErasureDue, "privacy.erase", erase.carry_out, queue="bulk")
    outbox.subscribe(privacy.Erased, "privacy.erase_late", erase.erase_late)
    outbox.subscribe(privacy.SweepDue, "privacy.sweep", erase.sweep, queue="bulk")
    outbox.subscribe(channels.AuthorizationRevoked, "privacy.taken_back", taken_back.on_revoked)
    slots.handle("privacy.erase_due", erase.find_due)
    slots.handle("privacy.retention", retention.nightly)
    slots.handle("privacy.rekey", rekey.go_on)

    outbox.subscribe(members.Merged, "members.fold_late", merge.fold_late)

    # sales, points, tiers
    outbox.subscribe(members.Joined, "tiers.place", tier_review.place)
    outbox.subscribe(tiers.Upgraded, "tiers.grant_benefits", tier_benefits.grant_all)
    outbox.subscribe(tiers.BenefitGranted, "tiers.deliver_benefit", tier_benefits.deliver)
    outbox.subscribe(tiers.ReviewDue, "tiers.review_chunk", tier_review.review_chunk, queue="bulk")
    outbox.subscribe(tiers.BenefitsDue, "tiers.benefits_chunk", tier_benefits.grant_recurring, queue="bulk")
    outbox.subscribe(points.ExpiryDue, "points.expire_chunk", points_expiry.expire_chunk, queue="bulk")
    slots.handle("tiers.review", tier_review.begin)
    slots.handle("points.expire", points_expiry.begin)

    # coupons
    slots.handle("coupons.expire", coupons.expire)
    slots.handle("coupons.release_locks", coupons.release_locks)
    slots.handle("coupons.withdraw", coupons.withdraw)
    outbox.subscribe(coupon_events.PushAdvanced, "coupons.push_chunk", push.go_on, queue="bulk")
    slots.handle("coupons.pushes", push.resume_waiting)
    outbox.subscribe(coupon_events.CampaignSwitched, "coupons.wake_waiters", owed_coupons.wake)
    outbox.subscribe(coupon_events.WaitersDue, "coupons.wake_more_waiters", owed_coupons.wake)
    slots.handle("coupons.waiters", owed_coupons.look_again)
    outbox.subscribe(coupon_events.CodesDue, "coupons.make_codes", coupon_commands.make_codes, queue="bulk")
    outbox.subscribe(members.Bound, "gifts.on_bound", gifts.on_bound)
    outbox.subscribe(members.Joined, "gifts.on_joined", gifts.on_joined)
    outbox.subscribe(sales.OrderPaid, "gifts.on_order", gifts.on_order_paid)
    outbox.subscribe(sales.OrderRefunded, "gifts.on_refund", gifts.on_order_refunded)
    outbox.subscribe(coupon_events.GiftDue, "gifts.deliver", gifts.deliver)
    outbox.subscribe(coupon_events.BirthdaysDue, "gifts.birthdays", gifts.birthdays, queue="bulk")
    slots.handle("coupons.birthdays", gifts.open_birthdays)
    outbox.subscribe(fraud.LimitHit, "coupons.flag_limit", coupon_limits.on_limit_hit)
    slots.handle("coupons.watch", coupon_limits.look)
    outbox.subscribe(coupon_events.Issued, "twins.on_issued", reactions.on_issued)
    outbox.subscribe(coupon_events.Redeemed, "twins.on_redeemed", reactions.on_changed)
    outbox.subscribe(coupon_events.Returned, "twins.on_returned", reactions.on_changed)
    outbox.subscribe(coupon_events.Voided, "twins.on_voided", reactions.on_changed)
    outbox.subscribe(members.Joined, "twins.on_joined", reactions.ON_JOINED, queue="messages")
    outbox.subscribe(twin_events.TwinDue, "twins.converge", converge.EFFECT, queue="messages")
    outbox.subscribe(twin_events.TwinLeft, "twins.left", leaving.EFFECT, queue="messages")
    outbox.subscribe(twin_events.BindingDue, "twins.stock", stocks.EFFECT, queue="messages")
    outbox.subscribe(twin_events.TwinsCompared, "twins.compare", nightly.EFFECT, queue="bulk")
    outbox.subscribe(twin_events.WalletsAsked, wallets.SUBSCRIBER, wallets.EFFECT, queue="bulk")
    slots.handle("coupons.twins_tend", reactions.tend)
    slots.handle("coupons.twins_compare", nightly.begin)
    slots.handle("coupons.stocks", stocks.look_again)

    # segments, content, sop
    outbox.subscribe(sales.OrderPaid, "traits.on_order", traits.on_order)
    outbox.subscribe(sales.OrderRefunded, "traits.on_refund", traits.on_order)
    outbox.subscribe(sales.OrderRefunded, "coupons.on_refund", coupon_orders.on_refund)
    outbox.subscribe(privacy.OptedOut, "traits.on_opt_out", traits.on_consent)
    outbox.subscribe(privacy.OptedIn, "traits.on_opt_in", traits.on_consent)
    outbox.subscribe(imports.Finished, "traits.on_import", traits.on_import, queue="bulk")
    outbox.subscribe(segments.TraitsDue, "traits.rebuild_chunk", traits.rebuild_chunk, queue="bulk")
    outbox.subscribe(segments.TagRuleDue, "tags.apply_chunk", rule_tags.apply_chunk, queue="bulk")
    outbox.subscribe(channels.FollowTagsChanged, "tags.from_wecom", wecom_tags.on_follow_tags)
    outbox.subscribe(channels.CorpTagsDropped, "tags.dropped_in_wecom", wecom_tags.on_dropped)
    outbox.subscribe(members.Joined, "tags.of_new_member", wecom_tags.on_joined)
    outbox.subscribe(identity.Merged, "tags.of_merged_person", wecom_tags.on_person_merged)
    outbox.subscribe(members.Merged, "tags.of_merged_member", wecom_tags.on_merged)
    outbox.subscribe(segments.TagsChanged, "tags.to_wecom", wecom_tags.on_tags_changed, queue="bulk")
    outbox.subscribe(segments.TagWriteDue, "tags.write_to_wecom", wecom_tags.WRITE, queue="bulk")
    slots.handle("traits.rebuild", traits.begin)
    slots.handle("tags.apply_rules", rule_tags.begin)
    outbox.subscribe(members.Bound, "sop.on_bound", sop_on_event.on_bound)
    outbox.subscribe(members.GuideAssigned, "sop.on_guide_assigned", sop_on_event.on_guide_assigned)
    outbox.subscribe(tiers.Upgraded, "sop.on_upgraded", sop_on_event.on_upgraded)
    outbox.subscribe(sales.OrderPaid, "sop.on_order_paid", sop_on_event.on_order_paid)
    outbox.subscribe(sop.TaskCreated, "guide_notice.created", guide_notice.new_tasks, queue="messages")
    outbox.subscribe(sop.TasksDue, "guide_notice.due", guide_notice.new_tasks, queue="messages")
    outbox.subscribe(sop.TasksOverdue, "guide_notice.overdue", guide_notice.overdue_tasks, queue="messages")
    outbox.subscribe(sop.TaskCompleted, "step_coupon.issue", step_coupon.issue)
    outbox.subscribe(sop.RunAdvanced, "sop.go_on", sop_schedule.go_on, queue="bulk")
    slots.handle("sop.distribute", sop_schedule.distribute)
    slots.handle("sop.remind", sop_schedule.remind)

    # imports
    outbox.subscribe(imports.ChunkDue, "imports.chunk", engine.chunk_due, queue="bulk")

    # reconciliation with WeCom
    outbox.subscribe(SyncAdvanced, "sync.go_on", sync_turn.GO_ON, queue="bulk")
    slots.handle("sync.nightly", sync_runs.nightly)
    slots.handle("sync.frequently", sync_runs.frequently)
    outbox.subscribe(ConversionsDue, "sync.convert", conversions.CONVERT, queue="bulk")
    slots.handle("sync.convert", conversions.begin)

    # dashboards, core
    slots.handle("core.invariants", doctor.nightly)
    slots.handle("core.forget", doctor.forget)
