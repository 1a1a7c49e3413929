"""The shop that tests of privacy visit."""

from __future__ import annotations

import pytest
from privacy_shop import Shop, make_shop


@pytest.fixture
def shop(app) -> Shop:  # type: ignore[no-untyped-def]
    return make_shop()
