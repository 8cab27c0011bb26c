"""One tiny shop with many faults, made by Spark."""

import pytest
from pyspark.sql import SparkSession

from affinity.simulate.place import Shop
from affinity.simulate.shop import Written, simulate
from tests.simulate.making import tiny


@pytest.fixture(scope="session")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Written]:
    config = tiny()
    shop = Shop(config, tmp_path_factory.mktemp("shop") / "tiny", 0, config.days)
    return shop, simulate(spark, shop)


@pytest.fixture(scope="session")
def shop(made: tuple[Shop, Written]) -> Shop:
    return made[0]
