"""Which package may import what: the arrows of the architecture picture."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {  # package: top-level modules that it never imports
    "search_spaces": {"torch", "ray", "clusters", "analysis"},
    "scaling": {"ray"},
    "analysis": {"torch", "ray", "optuna"},
    "clusters": {"analysis"},
}
CHARTS = {"altair", "vl_convert", "analysis.figures"}
NOT_LOADED = {  # room: modules that importing it does not load, not even through others
    "analysis.names": {"polars", "numpy"},
    "analysis.rows": {"search_spaces", "scipy", *CHARTS},  # the published rows load the studies when they are read
    "analysis.accounting": {"search_spaces", "scipy", *CHARTS},
    "analysis.compare": {"scipy", "sklearn", *CHARTS},
    "analysis.laws": {"search_spaces", "analysis.commands", *CHARTS},
    "analysis.tables": {"scipy", *CHARTS},
    "analysis.figures": {"analysis.commands", "analysis.report"},
    "analysis.report": {"analysis.commands"},
}
FRONT_DOORS = {"run_study.py", "finetune_grid.py"}  # they alone lead from scaling to clusters and analysis


def imports(file: Path) -> set[str]:
    """Top-level names of all modules that a file imports, at whatever depth."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_forbidden_imports(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        forbidden = set(FORBIDDEN[package])
        if package == "scaling" and file.name not in FRONT_DOORS:
            forbidden |= {"clusters", "analysis"}
        assert not imports(file) & forbidden, f"{file} imports {imports(file) & forbidden}"


@pytest.mark.parametrize("package", ["analysis", "search_spaces"])
def test_loading_a_package_loads_neither_torch_nor_ray(package: str) -> None:
    """Not even through others: every module is imported in a fresh interpreter."""
    code = f"""
import importlib, pkgutil, sys, {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
sys.exit(" ".join({{"torch", "ray"}} & set(sys.modules)) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("room", NOT_LOADED)
def test_a_room_loads_no_more_than_it_needs(room: str) -> None:
    code = f"import sys, {room}; sys.exit(' '.join({NOT_LOADED[room]!r} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_planning_imports_neither_torch_nor_ray() -> None:
    code = """
import sys
sys.argv = ["run_study.py", "vit_paper", "--plan", "--json"]
from scaling.run_study import main, Options
main(Options("vit_paper", plan=True, json=True))
sys.exit(" ".join({"torch", "ray"} & set(sys.modules)) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


READERS = {"pyarrow.parquet", "scaling.data.sources", "scaling.data.pipeline", "torch", "ray", "polars"}


@pytest.mark.parametrize(
    ("loaded", "never"),
    [
        pytest.param("scaling.specs, scaling.data", READERS, id="study values load no reader"),
        pytest.param("search_spaces.quickstart", READERS, id="the default study loads no reader"),
        pytest.param(
            "search_spaces.scales, search_spaces.vit_paper, search_spaces.self_supervision",
            {"search_spaces.quickstart"},
            id="the paper's studies do not load the default one",
        ),
    ],
)
def test_what_an_import_does_not_load(loaded: str, never: set[str]) -> None:
    code = f"import sys, {loaded}; sys.exit(' '.join(sorted({never!r} & set(sys.modules))) or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
