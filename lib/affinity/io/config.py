"""Settings: TOML files → frozen objects; every fault of a file is told at once."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import Field, ValidationError

import affinity
from affinity.core.errors import BadInput, nearest
from affinity.core.settings import Settings
from affinity.core.source import SourceMapping

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
S = TypeVar("S", bound=Settings)


class StoreSettings(Settings):
    """Where the tables live and who may write them."""

    root: str = Field(min_length=1)
    business_zone: str
    lease: Literal["file", "external"]


class PrivacySettings(Settings):
    """Where the secret of the tokens is mounted."""

    key_file: str


class TrackingSettings(Settings):
    """Where MLflow keeps runs and models."""

    uri: str
    artifacts: str


class SparkSettings(Settings):
    """How a session is made where none is given by spark-submit."""

    master: str
    driver_memory: str
    conf: dict[str, str] = Field(default_factory=dict)


class Config(Settings):
    """All settings; the sections of jobs are read by each job's own settings class."""

    store: StoreSettings
    privacy: PrivacySettings
    tracking: TrackingSettings
    spark: SparkSettings
    jobs: dict[str, dict[str, Any]] = Field(default_factory=dict)
    conf_dir: Path


def conf_dir() -> Path:
    """The folder of settings that ships with the package."""
    return Path(affinity.__file__).parent / "conf"


def load_config(path: Path | None = None, env: str | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read ``affinity.toml``, its overlay ``env/<env>.toml`` and single ``section.key=value`` overrides.

    Raises:
        BadInput: a file is missing or no TOML, or keys are unknown, missing or of the wrong type; all of them named.
    """
    file = path or conf_dir() / "affinity.toml"
    tree = _read_toml(file)
    if env:
        overlay = file.parent / "env" / f"{checked_name(env, 'environment')}.toml"
        tree = _merged(tree, _read_toml(overlay))
    for override in overrides:
        tree = _merged(tree, _override(override))
    where = " and ".join([str(file), *(f"--set {override.partition('=')[0]}" for override in overrides)])
    config = validated(Config, {**tree, "conf_dir": file.parent}, where=where)
    known = job_names()
    if unknown := [name for name in config.jobs if name not in known]:
        said = "; ".join(f"no job is called {name!r}{nearest(name, known)}" for name in unknown)
        raise BadInput(f"Settings hold sections [jobs.…] of nobody: {said}.")
    return config


def job_names() -> list[str]:
    """The names of all jobs: each is a program of ``affinity.jobs``."""
    programs = (entry.name.removesuffix(".py") for entry in files("affinity.jobs").iterdir())
    return sorted(
        name for name in programs if _NAME.match(name) and name not in ("cli", "catalog", "simulate_shop", "judge_shop")
    )


def load_source(config: Config, name: str) -> SourceMapping:
    """The mapping ``sources/<name>.toml`` beside the settings file.

    Raises:
        BadInput: no such source (the nearest is named), or its file has faults.
    """
    known = source_names(config)
    folder = config.conf_dir / "sources"
    if name not in known:
        raise BadInput(
            f"Source {name!r} is unknown{nearest(name, known)}. Known in {folder}: {', '.join(known) or '-'}."
        )
    return read_source(folder / f"{name}.toml")


def source_names(config: Config) -> list[str]:
    """The names of the mappings beside the settings file."""
    return sorted(file.stem for file in (config.conf_dir / "sources").glob("*.toml"))


def read_source(file: Path) -> SourceMapping:
    """The mapping in a file.

    Raises:
        BadInput: there is no such file, or it has faults.
    """
    if not file.is_file():
        raise BadInput(f"Mapping {file} does not exist; docs/sources.md says how to write one.")
    return validated(SourceMapping, _read_toml(file), where=str(file))


def validated(model: type[S], values: Mapping[str, Any], *, where: str) -> S:
    """``values`` as ``model``.

    Raises:
        BadInput: one line per fault with the key, what was expected, what was got and the nearest known key.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        faults = [_fault(model, values, item) for item in error.errors()]
        told = "; ".join(faults)
        raise BadInput(f"Settings in {where} cannot be used: {told}{'' if told.endswith('?') else '.'}") from None


def checked_name(name: str, what: str) -> str:
    """``name`` if it is a plain lower-case word; names become parts of paths.

    Raises:
        BadInput: it holds anything but lower-case letters, digits and underscores.
    """
    if not _NAME.match(name):
        raise BadInput(f"{what.capitalize()} {name!r} is no name: expected lower-case letters, digits and underscores.")
    return name


def _fault(model: type[Settings], values: Mapping[str, Any], item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        known = _known_keys(model, path[:-1])
        listed = f"; known here: {', '.join(known)}" if known else ""
        return f"key {key!r} is unknown{nearest(path[-1], known) or listed}"
    if item["type"] == "missing":
        return f"key {key!r} is missing"
    if item["type"] == "value_error":  # a check of ours over several keys; what it looked at is the whole file
        return str(item["ctx"]["error"])
    return f"key {key!r}: {item['msg'][:1].lower()}{item['msg'][1:]}, got {item['input']!r}"


def _known_keys(model: type[Settings], path: Sequence[str]) -> list[str]:
    current: Any = model
    for part in path:
        if not part.isdecimal():  # the number of an element: its class is known by then
            field = getattr(current, "model_fields", {}).get(part)
            current = field and _section_of(field.annotation)
    return list(getattr(current, "model_fields", {}))


def _section_of(annotation: Any) -> Any:
    """The settings class in an annotation such as ``EventFeed | None`` or ``tuple[TypeRule, ...]``."""
    return next((part for part in get_args(annotation) if hasattr(part, "model_fields")), annotation)


def _read_toml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise BadInput(f"Settings file {file} does not exist; pass --config, or copy conf/affinity.toml and edit it.")
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"Settings file {file} is not valid TOML: {error}.") from None


def _merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overlay.items():
        below = base.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _override(text: str) -> dict[str, Any]:
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise BadInput(
            f"Override {text!r} cannot be read: expected section.key=value, as in store.root=/data/affinity."
        )
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for part in reversed(path.split(".")):
        parsed = {part: parsed}
    return dict(parsed)
