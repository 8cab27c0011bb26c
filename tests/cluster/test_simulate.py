"""The simulated shop by spark-submit on two workers is the one that a single process makes, file by file."""

from pathlib import Path

import pytest

from affinity.simulate.settings import shop_config
from tests.cluster.conftest import Cluster
from tests.simulate.making import digests, make

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_two_workers_write_the_same_files(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    out = folder / "shop"
    said = cluster.submit("simulate_shop", "--size", "tiny", "--seed", 3, "--out", out)
    assert "events" in said
    alone = make(shop_config("tiny", {}, {"seed": 3}, []), tmp_path)
    theirs, ours = digests(out / "landing"), digests(alone.landing)
    assert theirs == ours
    assert len(theirs) > 1_000
