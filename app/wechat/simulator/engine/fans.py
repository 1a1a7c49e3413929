"""What people tap: followers of the official account, buttons of cards in WeCom, acquisition links."""

from __future__ import annotations

from typing import Any

from app.wechat.simulator.engine.directory import Directory
from app.wechat.simulator.engine.rows import Customer
from app.wechat.simulator.engine.world import World
from app.wechat.simulator.errors import ControlError, WireError

CARD_LIFE = 72 * 3600  # seconds a response code can change its card


class Fans:
    def __init__(self, world: World, directory: Directory) -> None:
        self.world, self.directory = world, directory

    # --- official account --------------------------------------------------------------------------------------------

    def follow(self, appid: str, customer: Customer, *, scene: str = "") -> None:
        """`subscribe`, by a QR code with its parameter; who follows already is told as SCAN."""
        with self.world.lock:
            openid = self._openid(appid, customer)
            key = f"follower|{appid}|{openid}"
            if self.world.value(key):
                return self._tell(appid, openid, "SCAN", EventKey=scene, Ticket="ticket")
            self.world.set_value(key, int(self.world.now()))
            by_code = {"EventKey": f"qrscene_{scene}", "Ticket": "ticket"} if scene else {}
            return self._tell(appid, openid, "subscribe", **by_code)

    def unfollow(self, appid: str, customer: Customer) -> None:
        with self.world.lock:
            openid = self._openid(appid, customer)
            self.world.set_value(f"follower|{appid}|{openid}", None)
            self._tell(appid, openid, "unsubscribe")

    def click(self, appid: str, customer: Customer, *, key: str = "menu", view: bool = False) -> None:
        """A menu entry: CLICK, or VIEW of a page."""
        with self.world.lock:
            self._tell(appid, self._openid(appid, customer), "VIEW" if view else "CLICK", EventKey=key)

    def write(self, appid: str, customer: Customer, text: str) -> None:
        with self.world.lock:
            message = {"MsgType": "text", "Content": text, "MsgId": str(self.world.sequence())}
            self._send(appid, self._openid(appid, customer), message)

    def _openid(self, appid: str, customer: Customer) -> str:
        openid = customer.openids.get(appid)
        if openid is None:
            raise ControlError(f"no account {appid}", 404)
        return openid

    # --- mini-program ------------------------------------------------------------------------------------------------

    def revoke(self, appid: str, customer: Customer, info: str = "201") -> None:
        """A user takes data back; FromUserName is not who they are."""
        with self.world.lock:
            told = {"OpenID": self._openid(appid, customer), "AppID": appid, "RevokeInfo": info}
            self._tell(appid, "o-somebody", "user_authorization_revoke", **told)

    # --- WeCom -------------------------------------------------------------------------------------------------------

    def press(self, corp_id: str, userid: str, task_id: str, key: str, *, menu: bool = False) -> dict[str, Any]:
        """A member presses a button of the card `task_id`; each press brings a new response code, good once."""
        with self.world.lock:
            card = next(
                (
                    row.content["template_card"]
                    for row in reversed(list(self.world.sent))
                    if row.kind == "app"
                    and row.to == userid
                    and row.content.get("template_card", {}).get("task_id") == task_id
                ),
                None,
            )
            if card is None:
                raise ControlError(f"{userid} has no card {task_id}", 404)
            code = self.world.make_id("response", 43)
            self.world.set_value(f"card|{corp_id}|{code}", {"task_id": task_id, "until": self.world.now() + CARD_LIFE})
            app = next(app for app in self.world.apps if app.corp_id == corp_id)
            fields = {
                "FromUserName": userid,
                "CreateTime": int(self.world.now()),
                "MsgType": "event",
                "Event": "template_card_menu_event" if menu else "template_card_event",
                "EventKey": key,
                "TaskId": task_id,
                "CardType": card["card_type"],
                "ResponseCode": code,
                "AgentID": app.agent_id,
            }
            self.world.emit(corp_id, fields)
            return fields

    def update_card(self, corp_id: str, body: dict[str, Any]) -> None:
        """update_template_card: 60140 for a response code that is unknown, used or too old."""
        key = f"card|{corp_id}|{body.get('response_code')}"
        with self.world.lock:
            known = self.world.value(key)
            if not known or known["until"] < self.world.now():
                raise WireError(60140)
            if not body.get("button", {}).get("replace_name") and not isinstance(body.get("template_card"), dict):
                raise WireError(40058)
            self.world.set_value(key, None)
            self.world.set_value(f"card_now|{corp_id}|{known['task_id']}", body.get("button") or body["template_card"])

    def acquisition(self, corp_id: str, change: str, **fields: Any) -> None:
        """Any customer_acquisition event."""
        with self.world.lock:
            self._tell(corp_id, "sys", "customer_acquisition", ChangeType=change, **fields)

    def _tell(self, receiver: str, sender: str, event: str, **fields: Any) -> None:
        self._send(receiver, sender, {"MsgType": "event", "Event": event, **fields})

    def _send(self, receiver: str, sender: str, fields: dict[str, Any]) -> None:
        self.world.emit(receiver, {"FromUserName": sender, "CreateTime": int(self.world.now()), **fields})
