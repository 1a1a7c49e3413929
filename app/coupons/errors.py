"""Why a coupon cannot be had, used or given back. The codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound


class CampaignUnknown(NotFound):
    code, message = "campaign_unknown", "There is no such campaign."


class CampaignPaused(Conflict):
    code, message = "campaign_paused", "The campaign is paused."


class CampaignClosed(Conflict):
    code, message = "campaign_closed", "The campaign gives out no coupons now."


class CampaignOver(Conflict):
    code, message = "campaign_over", "The campaign's end is in the past."


class CampaignVoided(Conflict):
    code, message = "campaign_voided", "The campaign was withdrawn, and its coupons with it."


class NotInThisState(Conflict):
    code, message = "not_in_this_state", "The campaign is in a state in which this cannot be done."


class SecondPersonNeeded(Conflict):
    code, message = "second_person_needed", "A campaign of this size is approved by somebody who did not submit it."


class CampaignChanged(Conflict):
    code, message = "campaign_changed", "Something was done to the campaign since it was looked at."


class AllocationTooLarge(Conflict):
    code, message = "allocation_too_large", "Stores cannot be given more than the campaign has, or less than they gave."


class StoreNeeded(Invalid):
    code, message = "store_needed", "This campaign's stock is with the stores, and no store gives this coupon."


class SoldOutToday(Conflict):
    code, message = "sold_out_today", "The campaign gives out no more coupons today."


class StoreSoldOut(Conflict):
    code, message = "store_sold_out", "The store has no coupons of this campaign left."


class PeriodLimitReached(Conflict):
    code, message = "period_limit_reached", "The member has had as many coupons of this campaign as this period allows."


class BudgetSpent(Conflict):
    code, message = "budget_spent", "The campaign's budget does not hold this discount any more."


class SoldOut(Conflict):
    code, message = "sold_out", "The campaign has no coupons left."


class LimitReached(Conflict):
    code, message = "limit_reached", "The member has all the coupons of this campaign that one member may have."


class CouponUnknown(NotFound):
    code, message = "coupon_unknown", "There is no such coupon."


class CouponRedeemed(Conflict):
    code, message = "coupon_redeemed", "The coupon was redeemed already."


class CouponExpired(Conflict):
    code, message = "coupon_expired", "The coupon's validity has ended."


class CouponNotYetValid(Conflict):
    code, message = "coupon_not_yet_valid", "The coupon is not valid yet."


class CouponVoided(Conflict):
    code, message = "coupon_voided", "The coupon was withdrawn."


class CouponLocked(Conflict):
    code, message = "coupon_locked", "Another order holds the coupon."


class CouponOffered(CouponLocked):
    code, message = "coupon_offered", "The coupon was offered to a friend, who may still take it."


class CouponWrongStore(Conflict):
    code, message = "coupon_wrong_store", "The coupon cannot be used in this store."


class CouponWrongChannel(Conflict):
    code, message = "coupon_wrong_channel", "The coupon cannot be used on this channel."


class CouponNotNow(Conflict):
    code, message = "coupon_not_now", "The coupon cannot be used on this day or at this hour."


class CouponNotStackable(Conflict):
    code, message = "coupon_not_stackable", "The coupon cannot be used together with another one on this order."


class OrderDiscountTooLarge(Conflict):
    code, message = "order_discount_too_large", "The order's coupons would take off more than it costs."


class ThresholdNotMet(Invalid):
    code, message = "threshold_not_met", "The order's amount is below the coupon's threshold."


class CouponNotApplicable(Invalid):
    code, message = "coupon_not_applicable", "Nothing in this order can be discounted by the coupon."


class CodeExpired(Conflict):
    code, message = "code_expired", "The code shown has ended; ask for the present one."


class CodeReplayed(Conflict):
    code, message = "code_replayed", "The code shown was used already; ask for the present one."


class RedemptionUnknown(NotFound):
    code, message = "redemption_unknown", "There is no such redemption."


class RedemptionReturned(Conflict):
    code, message = "redemption_returned", "The redemption was given back already."


class OrderUploaded(Conflict):
    code, message = "order_uploaded", "The order was uploaded with this discount: it has to be refunded."


class RefundTooLarge(Conflict):
    code, message = "refund_too_large", "More would be refunded than was bought."


class RefundChanged(Conflict):
    code, message = "refund_changed", "This refund was told before, with other lines."


class NotHeld(Conflict):
    code, message = "not_held", "The order does not hold this coupon."


class GuideQuotaReached(Conflict):
    code, message = "guide_quota_reached", "The guide has given all the coupons of this campaign that one day allows."


class NotTransferable(Conflict):
    code, message = "coupon_not_transferable", "The campaign does not let its coupons be given to friends."


class TransferUnknown(NotFound):
    code, message = "transfer_unknown", "There is no such gift."


class TransferOwn(Conflict):
    code, message = "transfer_own", "The coupon is the member's own."


class TransferEnded(Conflict):
    code, message = "transfer_ended", "The gift was taken, taken back, or has ended."


class RedeemCodeUnknown(NotFound):
    code, message = "redeem_code_unknown", "There is no such code."


class RedeemCodeUsed(Conflict):
    code, message = "redeem_code_used", "The code was used already."


class RedeemCodeEnded(Conflict):
    code, message = "redeem_code_ended", "The code is good no more."


class BatchUnknown(NotFound):
    code, message = "redeem_batch_unknown", "There is no such batch of codes."


class BatchNotReady(Conflict):
    code, message = "redeem_batch_not_ready", "The codes are still being made, or the batch was voided."


class CodesExported(Conflict):
    code, message = "redeem_codes_exported", "The codes were exported; they are given out once."


class CodesExporting(Conflict):
    code, message = "redeem_codes_exporting", "The codes are being exported; one that broke off may begin again later."


class PushUnknown(NotFound):
    code, message = "push_unknown", "There is no such push."


class PushEnded(Conflict):
    code, message = "push_ended", "The push is not in a state in which this can be done."


class GiftRuleUnknown(NotFound):
    code, message = "gift_rule_unknown", "There is no such gift rule."


class GiftRuleExists(Conflict):
    code, message = "gift_rule_exists", "There is a rule of this kind for this campaign already."
