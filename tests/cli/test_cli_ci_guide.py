"""The guide for continuous integration: its workflows are YAML, and its commands do what it says they do."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command_line import ROOT, SAMPLES, valid

GUIDE = (ROOT / "docs" / "guides" / "ci.md").read_text(encoding="utf-8")
Workflow = dict[str, Any]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def workflow() -> Workflow:
    """YAML reads the key `on` as true; GitHub does not."""
    found = yaml.safe_load(blocks("yaml")[0])
    assert isinstance(found, dict)
    return {"on" if key is True else key: value for key, value in found.items()}


@pytest.fixture(scope="module")
def job(workflow: Workflow) -> Workflow:
    (job,) = workflow["jobs"].values()
    assert isinstance(job, dict)
    return job


def step(job: Workflow, holding: str) -> Workflow:
    (found,) = [each for each in job["steps"] if holding in each.get("run", "")]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place as the workflow's own, with `convprof` to call by name, and fewer inputs to fit to."""
    place = tmp_path_factory.mktemp("checkout")
    for home in (place, place / "convprof"):
        shutil.copytree(SAMPLES, home / "sample_models")
    with np.load(SAMPLES / "digits_calib.npz") as pictures:
        np.savez(place / "convprof/sample_models/digits_calib.npz", allow_pickle=False, x=pictures["x"][:24])
    command = place / "bin" / "convprof"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m convprof "$@"\n')
    command.chmod(0o755)
    return place


def shell(script: str, place: Path, **env: str) -> tuple[int, str]:
    """A script as the runner runs it: its exit code, and what it printed but for progress."""
    paths = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=place,
        env={**os.environ, **paths, **env},
        check=False,
        timeout=300,
    )
    assert "Traceback" not in ran.stdout
    lines = ran.stdout.splitlines(keepends=True)
    return ran.returncode, "".join(line for line in lines if not line.startswith("verify: "))


def test_the_workflow_may_comment_and_no_more(workflow: Workflow) -> None:
    assert set(workflow) == {"name", "on", "permissions", "jobs"}
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert set(workflow["on"]) == {"pull_request"}


def test_every_step_uses_or_runs_something(job: Workflow) -> None:
    for each in job["steps"]:
        assert ("uses" in each) != ("run" in each)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", each.get("uses", "actions/none@v1"))


def test_the_report_is_posted_although_the_gate_failed_and_the_job_still_fails(job: Workflow) -> None:
    order = [step(job, text) for text in ("convprof optimize", "convprof report", "gh pr comment")]
    places = [job["steps"].index(each) for each in order]
    assert places == sorted(places)
    assert "if" not in order[0]
    assert all("!cancelled()" in each["if"] for each in order[1:])
    assert not any("continue-on-error" in each for each in job["steps"])
    written, posted = (
        re.search(pattern, each["run"]) for pattern, each in ((r"-o (\S+)", order[1]), (r"--body-file (\S+)", order[2]))
    )
    assert written is not None
    assert posted is not None
    assert written[1] == posted[1]
    assert {"--edit-last", "--create-if-none"} <= set(order[2]["run"].split())
    assert set(re.findall(r"\$(\w+)", order[2]["run"])) <= set(order[2]["env"])


def test_its_commands_pass_fail_and_leave_what_is_posted(job: Workflow, checkout: Path) -> None:
    """But for the limit on time, which a busy machine might not be able to tell."""
    convert, report = step(job, "convprof optimize")["run"], step(job, "convprof report")["run"]
    limits, timed = re.subn(r"--fail-if-slower-than \S+ ", "", job["env"]["LIMITS"])
    assert timed == 1
    summary = checkout / "summary.md"
    for tight, code, outcome in (("", 0, "passed"), (" --fail-if-macs-above 1%", 1, "failed")):
        env = {**job["env"], "LIMITS": limits + tight, "GITHUB_STEP_SUMMARY": str(summary)}
        ran, said = shell(convert, checkout, **env)
        assert ran == code, said
        assert ("fail-if-macs-above: failed: the model has" in said) == bool(tight)
        assert shell(report, checkout, **env)[0] == 0
        posted = (checkout / "report.md").read_text()
        assert summary.read_text().endswith(posted)
        assert "**Limits**" in posted
        assert len(posted) < 65_536
        text = (checkout / "run" / "report.json").read_text()
        assert valid(text) == "run"
        assert json.loads(text)["gates"][-1]["outcome"] == outcome
        (snippet,) = blocks("python")
        told = subprocess.run(
            [sys.executable, "-c", snippet], capture_output=True, text=True, cwd=checkout, check=True
        ).stdout.splitlines()
        assert told[-1].startswith(outcome)
    shutil.copytree(checkout / "run", checkout / "main" / "run")
    beside = "".join(blocks("sh")).splitlines()
    assert [line.split()[1] for line in beside] == ["compare", "verify", "bench"]
    for line in beside:
        assert shell(line, checkout, **job["env"])[0] in ((0, 1) if "slower" in line else (0,)), line
    assert (checkout / "changes.md").exists()


def masked(text: str) -> str:
    """Figures of a fit differ between machines in the last digits; those that are counted do not."""
    return re.sub(r"\d+\.\d+(?= (?:\(|to|on)|\))", "#", text)


def test_the_transcript_is_what_one_gets(checkout: Path) -> None:
    (transcript,) = blocks("console")
    codes = []
    for command, output in re.findall(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", transcript, re.MULTILINE):
        code, said = shell(f"set +e\n{command}", checkout)
        assert code == 0
        assert masked(said) == masked(output)
        codes += re.findall(r"exit code (\d)", said)
    assert codes == ["0", "1", "1"]


def test_the_job_of_another_system_is_yaml_with_a_command_of_ours() -> None:
    other = yaml.safe_load(blocks("yaml")[1])["convert"]
    assert other["artifacts"]["when"] == "always"
    words = shlex.split(other["script"][-1])
    assert words[:2] == ["convprof", "optimize"]
    ran = subprocess.run(
        [sys.executable, "-m", "convprof", "optimize", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert all(word in ran.stdout for word in words if word.startswith("--"))
