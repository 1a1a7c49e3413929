from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wechat.simulator.cast import Clock, Tencent


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tencent(clock: Clock) -> Iterator[Tencent]:
    made = Tencent(clock)
    yield made
    made.sender.stop()
