"""Why a coupon cannot be had, used or given back. The codes are part of the public API."""

from __future__ import annotations

from app.core.errors import Conflict, Invalid, NotFound


class CampaignUnknown(NotFound):
    code, message = "campaign_unknown", "There is no such campaign."


class CampaignPaused(Conflict):
    code, message = "campaign_paused", "The campaign is paused."


class CampaignClosed(Conflict):
    code, message = "campaign_closed", "The campaign gives out no coupons now."


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


class CouponWrongStore(Conflict):
    code, message = "coupon_wrong_store", "The coupon cannot be used in this store."


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
    code, message = "redeem_codes_exported", "The codes were exported, or are being exported; they are given out once."


class PushUnknown(NotFound):
    code, message = "push_unknown", "There is no such push."


class PushEnded(Conflict):
    code, message = "push_ended", "The push is not in a state in which this can be done."


class GiftRuleUnknown(NotFound):
    code, message = "gift_rule_unknown", "There is no such gift rule."


class GiftRuleExists(Conflict):
    code, message = "gift_rule_exists", "There is a rule of this kind for this campaign already."
