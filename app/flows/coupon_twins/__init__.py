"""Coupons and their twins in outside channels, kept in step: who is told what, who asks, and what is heard.

`reactions` and `tend` say which twins must be compared, `converge` compares one and takes the next step, `stocks` does
the same for a campaign's stock, `callbacks` hears of what happened there, `nightly` looks at all that is open,
and `wallets` for what nobody told us of.
"""
