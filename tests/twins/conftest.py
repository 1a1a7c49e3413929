"""A brand whose campaigns are shown in WeChat Pay, with the stand-in of WeChat Pay behind the wire."""

from __future__ import annotations

import pytest
from twin_show import Show


@pytest.fixture
def show(world, tencent, run_work) -> Show:  # type: ignore[no-untyped-def]
    return Show(world, tencent, run_work)
