"""The embedded demonstrations: nine months of a real shop's orders, packed beside the code, and a simulated shop."""

import shutil
import tarfile
from datetime import date
from pathlib import Path

from affinity.core.errors import BadInput

SOURCE = "online_retail"
AS_OF = date(2011, 9, 1)
N_FILES = 219

SHOP_SOURCES = (
    *("shop_web", "shop_app", "shop_tills", "shop_orders", "shop_email"),
    *("shop_catalogue", "shop_crm"),
)
SHOP_AS_OF = date(2026, 1, 4)
"""Thirty days before the end of the simulated shop's demo: its windows hold no campaign."""
SHOP_SETTINGS = (
    "jobs.train_propensity.horizon_days=30",
    'jobs.train_segments.features=["mean_order_lines", "mean_line_quantity"]',
    "jobs.mine_rules.min_support=0.003",
    "jobs.mine_rules.min_confidence=0.1",
)


def unpack(landing: Path, archive: Path = Path("deploy/demo/online_retail.tar.xz")) -> Path:
    """Lay the packed daily files into the landing folder, unless they lie there already.

    Raises:
        BadInput: the archive is missing: it comes with the repository, not with the wheel.
    """
    if len(list(landing.glob("*.csv"))) >= N_FILES:
        return landing
    if not archive.is_file():
        raise BadInput(
            f"The demonstration data {archive} is missing. Expected to be run in a checkout of the repository."
        )
    scratch = landing.with_name(landing.name + ".tmp")
    scratch.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as packed:
        packed.extractall(scratch, filter="data")
    landing.mkdir(exist_ok=True)
    for file in scratch.iterdir():
        if not (landing / file.name).exists():
            file.rename(landing / file.name)
    shutil.rmtree(scratch)
    return landing
