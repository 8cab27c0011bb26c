"""The analysts' notebooks run over a published root, define no logic and are committed without outputs."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.io.published import publish

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def _read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def _code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in _read(path).cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == ["explore.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_stripped(path: Path) -> None:
    assert all(cell.outputs == [] and cell.execution_count is None for cell in _code(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_logic_is_defined(path: Path) -> None:
    logic = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While)
    assert not [node for cell in _code(path) for node in ast.walk(ast.parse(cell.source)) if isinstance(node, logic)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_it_runs_over_a_published_root(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = publish(tmp_path / "root")
    monkeypatch.setenv("AFFINITY_ROOT", str(root.path))
    notebook = _read(path)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert len(shown) >= 6
