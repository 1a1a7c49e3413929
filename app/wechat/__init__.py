"""The only package that speaks to Tencent: WeCom, mini-programs and official accounts.

Everything above it sees our dataclasses and our errors, never an errcode, a response body or an access token.
"""
