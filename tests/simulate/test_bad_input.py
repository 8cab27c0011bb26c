"""What cannot be made is refused with a message to act on, and nothing is written."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from affinity.core.errors import BadInput
from affinity.jobs.cli import app
from affinity.simulate.params import SIZES
from affinity.simulate.settings import shop_config, shop_of


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--size", "tini"], 'did you mean "tiny"'),
        ([], "pass --size"),
        (["--customers", "10", "--items", "50"], "--days N"),
        (["--size", "tiny", "--customers", "0"], "customers: input should be greater than or equal to 1, got 0"),
        (["--size", "tiny", "--items", "-3"], "items: input should be greater than or equal to 40, got -3"),
        (["--size", "tiny", "--days", "0"], "days: input should be greater than or equal to 1"),
        (["--size", "tiny", "--set", "switch_share=1.2"], "switch_share: input should be less than or equal to 1"),
        (["--size", "tiny", "--set", "faults.late=-0.1"], "faults.late: input should be greater than or equal to 0"),
        (["--size", "tiny", "--set", "faults.lat=0.1"], 'did you mean "late"'),
        (["--size", "tiny", "--set", "switch"], "expected name=value"),
        (["--size", "tiny", "--set", "nonsense.seed=7"], "'nonsense.seed' is unknown"),
        (["--size", "tiny", "--set", "faults.broken=0.7", "--set", "faults.same_id=0.7"], "is more than 1"),
        (["--size", "tiny", "--items", "2000000"], "items: input should be less than or equal to 1000000"),
        (["--size", "tiny", "--start", "9999-12-01"], "start_date: input should be less than or equal to"),
        (["--size", "tiny", "--from-day", "30", "--to-day", "30"], "0 <= --from-day < --to-day <= 60"),
        (["--size", "tiny", "--from-day", "-1"], "0 <= --from-day"),
        (["--size", "tiny", "--to-day", "61"], "a shop of 60 days"),
    ],
)
def test_bad_settings(tmp_path: Path, arguments: list[str], says: str) -> None:
    out = tmp_path / "shop"
    result = CliRunner().invoke(app, ["simulate", "--out", str(out), *arguments])
    assert isinstance(result.exception, BadInput)
    assert says in str(result.exception)
    assert not out.exists()


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BadInput, match=r"(?s)customers:.*days:.*faults\.late:"):
        shop_config("tiny", {"customers": 0, "days": -1}, {}, ["faults.late=7"])


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    config = shop_config("tiny", {}, {}, [])
    with pytest.raises(BadInput, match="is not empty"):
        shop_of(config, tmp_path, 0, None, add=False)
    with pytest.raises(BadInput, match="something else than a finished simulated shop"):
        shop_of(config, tmp_path, 0, None, add=True)
    with pytest.raises(BadInput, match="is a file"):
        shop_of(config, tmp_path / "mine.txt", 0, None, add=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_sizes_are_those_of_the_documentation() -> None:
    assert list(SIZES) == ["tiny", "demo", "small", "bench", "large"]
    assert SIZES["demo"] == {"customers": 2_000, "items": 400, "days": 120, "activity": 0.4}
