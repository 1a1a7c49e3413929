"""Coupons that have a twin outside, in a channel such as WeChat Pay's product coupons.

Our ledger is the truth of what we gave, took and gave back; a channel shows the coupon in its own wallet and may learn
of a use before us. `rules.next_step` compares both sides and says what must be told or done next; `port` is what a
channel can do; the flows carry it out. What cannot be both (used on both sides) becomes a conflict for a person.
"""
