"""A published root without a JVM."""

import pytest

from affinity.io.root import Root
from tests.io.published import publish


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """The small published root; tests only read it."""
    return publish(tmp_path_factory.mktemp("published") / "root")
