"""What is read of a machine, from trees of files like those of Linux; what is not there is not known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from convprof.records.files import encode
from convprof.runtime import core_quota, own_load, this_machine
from convprof.runtime import machine as machine_module

Tree = dict[str, str]


def planted(root: Path, files: Tree) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_this_machine_is_described() -> None:
    found = this_machine()
    assert found.logical_cores == os.cpu_count()
    assert "CPUExecutionProvider" in found.available_providers
    assert found.onnx
    assert found.onnxruntime_build


def test_of_an_empty_tree_nothing_is_known(tmp_path: Path) -> None:
    found = this_machine(tmp_path)
    for name in ("physical_cores", "core_quota", "memory_limit", "governor", "turbo", "container", "hypervisor"):
        assert getattr(found, name) is None
    assert found.instruction_sets == ()


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (
            "flags\t\t: fpu sse avx2 avx512f avx512_vnni amx_int8 hypervisor",
            ("avx2", "avx512f", "avx512_vnni", "amx_int8"),
        ),
        ("Features\t: fp asimd evtstrm asimddp i8mm bf16", ("asimd", "asimddp", "i8mm", "bf16")),
        ("flags\t\t: fpu avx2x", ()),
        ("bugs\t\t: avx2", ()),
    ],
)
def test_instruction_sets(tmp_path: Path, line: str, known: tuple[str, ...]) -> None:
    assert this_machine(planted(tmp_path, {"proc/cpuinfo": f"processor\t: 0\n{line}\n"})).instruction_sets == known


CPU = "sys/devices/system/cpu"


def test_cores_clock_and_container(tmp_path: Path) -> None:
    siblings = {f"{CPU}/cpu{at}/topology/thread_siblings_list": f"{at % 2},{at % 2 + 2}\n" for at in range(4)}
    governors = {f"{CPU}/cpu{at}/cpufreq/scaling_governor": "performance\n" for at in range(4)}
    more = {f"{CPU}/intel_pstate/no_turbo": "1\n", "run/.containerenv": "", f"{CPU}/cpuidle/driver": "none"}
    found = this_machine(planted(tmp_path, siblings | governors | more))
    assert (found.physical_cores, found.governor, found.turbo, found.container) == (2, "performance", False, "podman")


@pytest.mark.parametrize(
    ("files", "turbo"),
    [
        ({f"{CPU}/intel_pstate/no_turbo": "0"}, True),
        ({f"{CPU}/cpufreq/boost": "1"}, True),
        ({f"{CPU}/cpufreq/boost": "0"}, False),
    ],
)
def test_turbo(tmp_path: Path, files: Tree, turbo: bool) -> None:
    assert this_machine(planted(tmp_path, files)).turbo is turbo


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, "unnamed"),
        ({"sys/class/dmi/id/product_name": "Virtual Machine X\n"}, "Virtual Machine X"),
        ({"sys/hypervisor/type": "xen\n"}, "xen"),
    ],
)
def test_a_virtual_machine_is_named_where_its_name_can_be_read(tmp_path: Path, files: Tree, name: str) -> None:
    assert this_machine(planted(tmp_path, {"proc/cpuinfo": "flags : hypervisor\n", **files})).hypervisor == name


def test_the_product_of_a_real_machine_is_no_hypervisor(tmp_path: Path) -> None:
    files = {"proc/cpuinfo": "flags : avx2\n", "sys/class/dmi/id/product_name": "Laptop"}
    assert this_machine(planted(tmp_path, files)).hypervisor is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        # Each group on the way holds its members to its own limit.
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
                "sys/fs/cgroup/cpu.max": "400000 100000",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/docker/ab:cd\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "many few"}, None),
        ({"proc/self/cgroup": "nonsense\n0\n"}, None),
    ],
)
def test_the_quota_of_control_groups(tmp_path: Path, files: Tree, quota: float | None) -> None:
    assert core_quota(planted(tmp_path, files)) == quota


def test_a_group_outside_the_tree_is_not_looked_for(tmp_path: Path) -> None:
    outside = {"sys/fs/secret/cpu.max": "100000 100000", "proc/self/cgroup": "0::/../secret\n"}
    assert core_quota(planted(tmp_path, outside)) is None


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("memory.max", "1073741824\n", 1 << 30),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "536870912\n", 1 << 29),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
    ],
)
def test_the_memory_of_control_groups(tmp_path: Path, name: str, text: str, limit: int | None) -> None:
    group = "3:memory:/\n" if "/" in name else "0::/\n"
    found = this_machine(planted(tmp_path, {"proc/self/cgroup": group, f"sys/fs/cgroup/{name}": text}))
    assert found.memory_limit == limit


def test_only_variables_of_the_list_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MY_PASSWORD", "secret")
    found = this_machine()
    assert found.variables["OMP_NUM_THREADS"] == "3"
    assert "secret" not in encode(found)


@pytest.mark.parametrize(("lasted", "spent", "wanted"), [(0.0, 0.0, 0.0), (60.0, 120.0, 1.264), (3600.0, 6480.0, 1.8)])
def test_own_load_nears_what_was_spent_a_second(
    monkeypatch: pytest.MonkeyPatch, lasted: float, spent: float, wanted: float
) -> None:
    """Two cores at work for a minute, then for an hour: the average takes in 63 % of a minute, and all of an hour."""
    monkeypatch.setattr(machine_module, "_BEGAN", (3.0, 1.0, 2.0, 1.0, 1000.0))
    half = spent / 2
    monkeypatch.setattr("os.times", lambda: (3.0 + half, 1.0, 2.0 + half, 1.0, 1000.0 + lasted))
    assert own_load() == pytest.approx(wanted, abs=1e-3)
