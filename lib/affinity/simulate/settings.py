"""From what a person asks for to the settings of a shop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from affinity.core.errors import BadInput, nearest
from affinity.simulate import place
from affinity.simulate.params import SIZES, FaultRates, ShopConfig
from affinity.simulate.place import Shop

_SIZED = ("customers", "items", "days")


def shop_config(
    size: str | None, sizes: Mapping[str, int | None], others: Mapping[str, Any], assignments: Sequence[str]
) -> ShopConfig:
    """The settings of a named size, changed by single sizes, other settings and ``name=value`` assignments.

    Raises:
        BadInput: the size is unknown, a setting is missing, unknown or out of its range; all faults at once.
    """
    if size is not None and size not in SIZES:
        raise BadInput(f"Size {size!r} is unknown{nearest(size, SIZES)} Expected one of {', '.join(SIZES)}.")
    wanted: dict[str, Any] = dict(SIZES[size]) if size else {}
    wanted |= {name: value for name, value in {**sizes, **others}.items() if value is not None}
    missing = [name for name in _SIZED if name not in wanted]
    if missing:
        asked = " ".join(f"--{name} N" for name in missing)
        raise BadInput(f"The shop has no size yet: pass --size with one of {', '.join(SIZES)}, or {asked}.")
    faults: dict[str, Any] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise BadInput(f"Setting {assignment!r} cannot be read: expected name=value, as in seed=7.")
        is_fault = name.startswith("faults.")
        (faults if is_fault else wanted)[name.removeprefix("faults.")] = value
    if faults:
        wanted["faults"] = faults
    return _validated(wanted)


def _validated(wanted: Mapping[str, Any]) -> ShopConfig:
    try:
        return ShopConfig.model_validate(wanted)
    except ValidationError as error:
        told = "; ".join(_fault(item) for item in error.errors())
        raise BadInput(f"The shop cannot be made: {told}. Nothing was written.") from None


def _fault(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    name = ".".join(path)
    if item["type"] == "extra_forbidden":
        known = FaultRates.model_fields if path[0] == "faults" else ShopConfig.model_fields
        return f"setting {name!r} is unknown{nearest(path[-1], known).removesuffix('?')}"
    return f"{name}: {item['msg'][:1].lower()}{item['msg'][1:]}, got {item['input']!r}"


def shop_of(config: ShopConfig, out: Path, from_day: int, to_day: int | None, *, add: bool) -> Shop:
    """The shop at its place.

    Raises:
        BadInput: days outside the span, or a folder that holds something; nothing was written.
    """
    return place.placed(Shop(config, out.absolute(), from_day, config.days if to_day is None else to_day), add=add)
