"""What is loaded when, what is public, and what every module promises."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import convprof

ROOT = Path(__file__).parents[2]
HEAVY = {"onnx", "onnx_ir", "torch", "pandas", "onnxruntime", "scipy", "numpy", "sympy", "jinja2", "rich"}
MODULES = sorted((ROOT / "convprof").rglob("*.py"))


def loaded(script: str, **env: str) -> set[str]:
    """The packages loaded after a script, in a process of its own."""
    code = f"import sys, json\n{script}\nprint(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded("import convprof; convprof.__version__; dir(convprof)") & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["analyze", "--help"], ["optimize", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(f"from convprof.cli import run; assert run({arguments!r}) == 0") & HEAVY == set()


def test_what_is_refused_before_any_work_loads_nothing_heavy() -> None:
    script = "from convprof.cli import run; assert run(['analyze', 'm', '--input-shape', 'zero']) == 2"
    assert loaded(script) & HEAVY == set()


def test_the_arithmetic_needs_no_model_and_no_onnx() -> None:
    assert "torch" not in loaded("import convprof; convprof.cost((12, 12, 3), (5, 5), 256)")


def test_a_whole_analysis_needs_neither_torch_nor_pandas() -> None:
    script = f"import convprof; convprof.analyze({str(ROOT / 'sample_models' / 'digits_vgg.onnx')!r}, max_rank=1)"
    assert loaded(script) & {"torch", "pandas"} == set()


@pytest.mark.parametrize(("given", "wanted"), [(None, "1"), ("0", "0")])
def test_the_runtime_is_imported_with_its_telemetry_off(given: str | None, wanted: str) -> None:
    """Unless the user has set it. The value is looked at when onnxruntime is being imported."""
    script = (
        "import os, builtins\n"
        "seen, load = [], builtins.__import__\n"
        "def watch(name, *rest, **more):\n"
        "    if name == 'onnxruntime' and not seen: seen.append(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "    return load(name, *rest, **more)\n"
        "builtins.__import__ = watch\n"
        "from convprof import runtime\nruntime.environment(runtime.RunOptions())\n"
        f"assert seen == [{wanted!r}], seen"
    )
    env = {} if given is None else {"ORT_DISABLE_TELEMETRY": given}
    assert "onnxruntime" in loaded(
        "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n" * (given is None) + script, **env
    )


def test_public_names() -> None:
    verbs = [
        *("analyze", "bench", "compare", "cost", "optimize", "plan", "probe", "quantize", "report", "rewrite"),
        *("tune", "verify"),
    ]
    assert sorted(convprof.__all__) == sorted(["Budget", "ConvprofError", "Limits", "Settings", "__version__", *verbs])
    for name in convprof.__all__:
        assert getattr(convprof, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        _ = convprof.magic


def test_every_error_is_caught_by_one_name() -> None:
    with pytest.raises(convprof.ConvprofError):
        convprof.analyze("lost.onnx")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_its_promise_and_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 420
