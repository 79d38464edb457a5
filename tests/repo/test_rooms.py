"""What import-linter cannot say: which parts of an external package a room may use."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "convprof"


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
            names.add(node.module)
    return names


def test_only_planning_uses_the_solver() -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("scipy.optimize") for name in imported_modules(path))
    }
    assert users == {"planning/knapsack.py"}


def test_only_benchmarking_and_pipeline_read_a_clock() -> None:
    """And the probe, where it runs as a program of its own."""
    users = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if "time" in imported_modules(path)}
    assert users == {
        "benchmarking/rounds.py",
        "pipeline/optimizing.py",
        "pipeline/planned.py",
        "pipeline/training.py",
        "cli/console.py",
        "runtime/probe.py",
    }
