"""What every topic of the gateway stands on."""

from __future__ import annotations

from ..client import WeComClient

CONTACT = "/cgi-bin/externalcontact/"


class Topic:
    def __init__(self, client: WeComClient) -> None:
        self.client = client
        self.app = client.app
