"""A stand-in for Tencent: WeCom and mini-program servers and clients, for demos, tests and load tests.

`engine/` is a pure state machine; `api/` puts Tencent's HTTP paths on it, `control/` what only Tencent's side can do,
`sender.py` delivers callbacks, `responses_bridge.py` puts the same thing behind the `responses` library. It simulates
Tencent only: our own side is never mocked. It refuses to start with production settings.
"""
