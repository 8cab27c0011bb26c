"""What was published, as frames."""

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from affinity.core.errors import BadInput
from affinity.features.identities import holding
from affinity.io.platform import Platform
from affinity.io.readings import live_files, of_files
from affinity.io.releases import Releases
from affinity.tables import silver
from affinity.tables.catalog import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def published_frames(platform: Platform, as_of: date) -> "dict[str, DataFrame]":
    """The released gold slices of a date by table name.

    Raises:
        BadInput: nothing was published for the date.
    """
    releases = Releases.of(platform.ops)
    gold = [spec for spec in TABLES if spec.layer == "gold" and releases.slice(spec, as_of) is not None]
    if not gold:
        raise BadInput(
            f"Nothing was published for {as_of} below {platform.root.path}; `affinity run` publishes a date."
        )
    return {
        spec.name: platform.store.read(spec, releases.version(spec)).where(F.col("as_of_date") == F.lit(as_of))
        for spec in gold
    }


def published_identities(platform: Platform) -> "tuple[DataFrame, DataFrame]":
    """Whose ids are whose, and the rows of silver.links whose witness counts by the manifest."""
    releases = Releases.of(platform.ops)
    specs = (silver.IDENTITY_CHANGES, silver.LINKS)
    changes, links = (platform.store.read(spec, releases.version(spec)) for spec in specs)
    return holding(changes), of_files(links, live_files(releases.manifest(platform.ops)))
