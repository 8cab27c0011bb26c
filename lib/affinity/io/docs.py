"""The reference pages, made from the specifications and the jobs, so that they cannot say anything else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from affinity.io.config import Config
from affinity.io.job import Job, Kind
from affinity.io.ops import to_json
from affinity.tables.catalog import MODELS, TABLES
from affinity.tables.spec import Column, ModelSpec, Personal, TableSpec, ViewSpec, WriteMode
from affinity.tables.views import VIEWS

_MADE = "<!-- Made by `affinity docs`; do not edit. -->"
_MODES = {
    WriteMode.APPEND_FILES: "append_files: whole files, each once",
    WriteMode.REPLACE_DAYS: "replace_days: rows are added to their days; a day that is made anew replaces all its rows",
    WriteMode.REPLACE_FILES: "replace_files: rows of files are added, and removed where the file is corrected",
    WriteMode.UPSERT: "upsert: by key",
    WriteMode.REPLACE_SLICE: "replace_slice: one slice per as_of_date",
    WriteMode.APPEND_LOG: "append_log: rows are only added",
}
_PERSONAL = {Personal.NONE: "", Personal.PSEUDONYM: "pseudonym", Personal.ATTRIBUTE: "attribute"}


def pages(jobs: Sequence[Job], config: Config) -> dict[str, str]:
    """File name → content of every generated page."""
    return {"tables.md": tables_page(), "jobs.md": jobs_page(jobs, config), "views.sql": views()}


def write_pages(folder: Path, made: Mapping[str, str]) -> list[Path]:
    """Write the pages and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in made]


def stale(folder: Path, made: Mapping[str, str]) -> list[Path]:
    """The files that are missing or hold something else."""
    paths = {folder / name: content for name, content in made.items()}
    return [
        path for path, content in paths.items() if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]


def tables_page(tables: Sequence[TableSpec] = TABLES, models: Sequence[ModelSpec] = MODELS) -> str:
    """The reference of tables and models."""
    intro = (
        "Tables lie at `<root>/tables/<layer>/<table>` as Delta tables that every reader understands. `affinity sql` "
        "and the notebooks see each at its released version as `layer.table`, and of gold tables the newest released "
        "slice as `gold.<table>_latest`. They add the views at the end, and to tables with `subject_id` a "
        "`customer_id`, to whom the row belongs today. Timestamps are UTC, days those of the business zone. A check is "
        "a predicate that no row may break; a null passes. Personal: a pseudonym stands for a person, an attribute is "
        "said of one."
    )
    known = _listed(("Model", "What it is"), [(f"`{model.full_name}`", model.doc) for model in models])
    sections = [*map(_table_section, tables), *map(_view_section, VIEWS)]
    return "\n\n".join(["# Tables", _MADE, intro, *sections, "## Models", known]) + "\n"


def jobs_page(jobs: Sequence[Job], config: Config) -> str:
    """The reference of jobs and their settings."""
    intro = (
        "In the order of the chain. `affinity job NAME` runs one, `affinity run` all of them, `spark-submit "
        "jobs/NAME.py` one on a cluster. Settings stand in the section `[jobs.NAME]` of the settings file."
    )
    sections = [_job_section(job, config.jobs.get(job.name, {})) for job in jobs]
    return "\n\n".join(["# Jobs", _MADE, intro, *sections]) + "\n"


def views(tables: Sequence[TableSpec] = TABLES) -> str:
    """Views of the newest slices for a metastore that knows the tables by ``layer.table`` (Spark SQL).

    A metastore does not know releases: schedule its readers after the run, or read through ``affinity sql``.
    """
    head = (
        "-- Made by `affinity docs`; do not edit.\n"
        "-- The newest slice of every gold table, for a metastore in which the tables are registered as layer.table.\n"
    )
    gold = [spec for spec in tables if spec.layer == "gold"]
    return head + "".join(
        f"\nCREATE OR REPLACE VIEW {spec.full_name}_latest AS\n"
        f"SELECT * FROM {spec.full_name}\n"
        f"WHERE {spec.slice_column} = (SELECT max({spec.slice_column}) FROM {spec.full_name});\n"
        for spec in gold
    )


def _table_section(spec: TableSpec) -> str:
    facts = [
        ("Key", ", ".join(f"`{name}`" for name in spec.key)),
        ("Written", _MODES[spec.mode]),
        ("Slices", f"by `{spec.slice_column}`" if spec.slice_column else "none"),
        ("Partitioned by", ", ".join(f"`{name}`" for name in spec.partition_by) or "nothing"),
        ("Kept", f"{spec.retention_days} days" if spec.retention_days else "for good"),
        ("Published to analysts", "yes" if spec.published else "no"),
        ("Version of the specification", str(spec.version)),
    ]
    checks = [(check.name, f"`{check.predicate}`", str(check.severity)) for check in spec.checks]
    parts = [f"## {spec.full_name}", spec.doc, "\n".join(f"- {name}: {value}" for name, value in facts), _columns(spec)]
    return "\n\n".join(parts + ([_listed(("Check", "Holds for every row", "Severity"), checks)] if checks else []))


def _view_section(view: ViewSpec) -> str:
    reads = f"A view that `affinity sql` and the notebooks make of {_specs(view.over)} as they ask."
    return "\n\n".join([f"## {view.full_name}", view.doc, reads, _columns(view)])


def _columns(spec: TableSpec | ViewSpec) -> str:
    described = [_column_row(column) for column in spec.columns]
    return _listed(("Column", "Type", "Null", "Meaning", "Personal"), described)


def _column_row(column: Column) -> tuple[str, ...]:
    nullable = "yes" if column.nullable else ""
    return (f"`{column.name}`", f"`{column.type}`", nullable, column.comment, _PERSONAL[column.personal])


def _job_section(job: Job, defaults: Mapping[str, Any]) -> str:
    reads = _specs(job.reads) or ("landed files" if job.kind is not Kind.MAINTAIN else "the tables that it writes")
    facts = [("Kind", str(job.kind)), ("Reads", reads), ("Writes", _specs(job.writes))]
    if job.optional_tables:
        facts.insert(2, ("Reads where it is there", _specs(job.optional_tables)))
    parts = [f"## {job.name}", job.doc, "\n".join(f"- {name}: {value}" for name, value in facts)]
    rows = [_setting_row(name, info, defaults) for name, info in job.settings.model_fields.items()]
    return "\n\n".join(parts + ([_listed(("Setting", "Type", "Default", "Meaning"), rows)] if rows else []))


def _specs(specs: Sequence[TableSpec | ModelSpec]) -> str:
    return ", ".join(f"`{spec.full_name}`" for spec in specs)


def _setting_row(name: str, info: FieldInfo, defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """The default is that of the shipped settings file; where it has none, that of the code."""
    default = "required" if info.is_required() else f"`{to_json(info.get_default(call_default_factory=True))}`"
    shown = f"`{to_json(defaults[name])}`" if name in defaults else default
    limits = ", ".join(limit for limit in map(_limit, info.metadata) if limit)
    return (f"`{name}`", _type_of(info.annotation) + (f", {limits}" if limits else ""), shown, info.description or "")


def _limit(bound: Any) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥", "max_length": "length ≤"}
    return " ".join(f"{sign} {getattr(bound, name)}" for name, sign in signs.items() if hasattr(bound, name))


def _type_of(annotation: Any) -> str:
    is_plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    return annotation.__name__ if is_plain else str(annotation)


def _listed(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
