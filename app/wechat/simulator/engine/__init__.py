"""The simulator's state machine: no HTTP, no sockets, one lock, a clock and a seed of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from app.wechat.simulator.engine.codes import Codes
from app.wechat.simulator.engine.contacts import Contacts
from app.wechat.simulator.engine.directory import Directory
from app.wechat.simulator.engine.fans import Fans
from app.wechat.simulator.engine.faults import Faults
from app.wechat.simulator.engine.groups import Groups
from app.wechat.simulator.engine.journal import Journal
from app.wechat.simulator.engine.mass import MassSends
from app.wechat.simulator.engine.messages import Messages
from app.wechat.simulator.engine.office import Office
from app.wechat.simulator.engine.pay import Pay
from app.wechat.simulator.engine.tags import Tags, Ways
from app.wechat.simulator.engine.tokens import Tokens
from app.wechat.simulator.engine.transfers import Transfers
from app.wechat.simulator.engine.world import World

__all__ = ["Engine"]


class Engine:
    """One simulated Tencent.

    `clock` answers epoch seconds and is what the control API advances; `sleep` is how latency is simulated; `seed`
    makes every identifier and every random choice repeatable. `on_event(receiver, fields)` is called, under the lock,
    for every callback that is due: the sender puts it in a queue there.
    """

    def __init__(
        self, *, seed: int = 7, clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.sleep = sleep
        self.world = World(seed=seed, clock=clock)
        self.faults = Faults(self.world)
        self.journal = Journal()
        self.directory = Directory(self.world)
        self.tokens = Tokens(self.world)
        self.codes = Codes(self.world, self.tokens)
        self.tags = Tags(self.world)
        self.ways = Ways(self.world)
        self.contacts = Contacts(self.world, self.directory, self.codes, self.tags)
        self.groups = Groups(self.world, self.directory, self.contacts)
        self.transfers = Transfers(self.world, self.contacts)
        self.office = Office(self.world, self.directory, self.tags)
        self.fans = Fans(self.world, self.directory)
        self.messages = Messages(self.world, self.directory)
        self.mass = MassSends(self.world, self.messages)
        self.pay = Pay(self.world)
        self.files: dict[str, bytes] = {}  # uploaded media of this run, the last few megabytes

    def now(self) -> float:
        return self.world.now()

    def act(self, name: str, **details: Any) -> None:
        """Write down something a person did."""
        self.journal.write("action", self.now(), name=name, **details)

    def reset(self) -> None:
        """Forget everything, the clock's offset too."""
        world = self.world
        with world.lock:
            for table in world.tables:
                table.clear()
            world.random.seed(world.seed)
            world.reindex()
            self.files.clear()
            self.faults.reset()
            self.journal.clear()
