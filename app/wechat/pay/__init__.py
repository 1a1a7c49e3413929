"""WeChat Pay, APIv3: requests signed with our key, answers and notices verified with WeChat Pay's.

What is used: product coupons (商品券) of a brand. Their predecessor, merchant coupons (商家券, busifavor), has been
closed to new merchants since 2025-12-15, so nothing is built on it.

Own code on `cryptography` rather than the library wechatpayv3: that one knows merchants' keys only, not the brand's
that product coupons need, answers untyped pairs of status and text, and has none of these APIs.
"""
