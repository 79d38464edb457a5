"""The machine that models run on.

No library stands behind it: psutil knows neither instruction sets nor control groups nor governors, and py-cpuinfo
starts processes and executes machine code to guess at what /proc/cpuinfo says. What is wanted of both is a dozen small
files of Linux. On other systems less is known, and what is not known is None.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import msgspec

from convprof._version import __version__
from convprof.records.benchmark import Environment
from convprof.records.machine import Machine
from convprof.runtime.library import ort
from convprof.runtime.options import RunOptions, read_entries
from convprof.runtime.probe import surroundings

_ROOT = Path("/")
_BEGAN = os.times()
_LOAD_AVERAGED = 60.0
_UNNAMED = "unnamed"
_INSTRUCTION_SETS = (
    *("avx", "f16c", "fma", "avx2", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"),
    *("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),
    # Of ARM: asimd is NEON, asimddp its dot product, asimdhp its half precision.
    *("neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "svei8mm", "svebf16", "sme", "sme2"),
)
_VARIABLES = (
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"),
    *("KMP_BLOCKTIME", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "LD_PRELOAD"),
    *("MALLOC_ARENA_MAX", "MALLOC_CONF"),
)


def environment(options: RunOptions) -> Environment:
    """Describe this machine, the versions in use, and how models are to be run: all that prices are tied to."""
    found = surroundings(ort().__version__, options.threads, options.providers)
    asked = {
        "inter_op_threads": options.inter_op_threads,
        "graph_optimization": options.graph_optimization,
        "session_options": read_entries(options.session_options),
    }
    return msgspec.convert({**found, **asked, "convprof": __version__}, Environment)


def this_machine(root: Path = _ROOT) -> Machine:
    """Describe this machine in detail and as it is now; the system's files are read below `root`."""
    listing = _read(root / "proc/cpuinfo") or ""
    flags = set(" ".join(re.findall(r"^(?:flags|Features)\s*:(.*)$", listing, re.MULTILINE)).split())
    return Machine(
        physical_cores=_physical_cores(root),
        logical_cores=os.cpu_count(),
        core_quota=core_quota(root),
        instruction_sets=tuple(each for each in _INSTRUCTION_SETS if each in flags),
        memory=_memory(),
        memory_limit=_memory_limit(root),
        governor=_governor(root),
        turbo=_turbo(root),
        container=_container(root),
        hypervisor=_hypervisor(root, "hypervisor" in flags),
        load_average=os.getloadavg() if hasattr(os, "getloadavg") else None,
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        onnxruntime_build=ort().get_build_info(),
        available_providers=tuple(ort().get_available_providers()),
        onnx=metadata.version("onnx"),
    )


def own_load() -> float:
    """Reckon how much of the load average of the last minute this process and those that it started made themselves.

    It forgets by a factor of e in a minute; the processor's time since the start is taken to be spread evenly.
    """
    *spent, lasted = (now - then for now, then in zip(os.times(), _BEGAN, strict=True))
    return sum(spent) / max(lasted, 1e-3) * -math.expm1(-lasted / _LOAD_AVERAGED)


def core_quota(root: Path = _ROOT) -> float | None:
    """How many cores' time the control groups of this process leave it, None where they set no limit."""
    limits = []
    for folder in _groups(root, "cpu"):
        quota, _, period = (_read(folder / "cpu.max") or "").partition(" ")
        if not quota:
            quota, period = (_read(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit() and int(period):  # "max" and -1 are no limits
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def peak_memory() -> int | None:
    """Count the bytes that this process has held in memory at most; None on systems that do not say."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count what the parent held when it started this process: Linux keeps that over exec.
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(encoding="utf-8"), re.MULTILINE)
        return 1024 * int(found[1]) if found else None
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def _read(path: Path) -> str | None:
    """What a small file of the system says; None where there is none that may be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _physical_cores(root: Path) -> int | None:
    """Cores by which logical ones share one."""
    places = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    shared = {siblings for siblings in map(_read, places) if siblings}
    return len(shared) or None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups that this process is in, from its own to the outermost.

    Version 2 has one tree, version 1 one for each controller. In a container its own group is what stands at the top.
    """
    top = root / "sys/fs/cgroup"
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, names, path = (*line.split(":", 2), "", "")[:3]
        if names and controller not in names.split(","):
            continue
        base = top / controller if names else top
        inside = Path(path.lstrip("/"))
        yield from (base / each for each in (inside, *inside.parents) if ".." not in each.parts)


def _memory() -> int | None:
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not hasattr(os, "sysconf") or any(name not in os.sysconf_names for name in names):
        return None
    return os.sysconf(names[0]) * os.sysconf(names[1])


def _memory_limit(root: Path) -> int | None:
    files = [folder / name for folder in _groups(root, "memory") for name in ("memory.max", "memory.limit_in_bytes")]
    limits = [int(text) for text in map(_read, files) if text and text.isdigit()]
    # Version 1 has no word for "none": its largest number stands for it.
    return min((limit for limit in limits if limit < 1 << 60), default=None)


def _governor(root: Path) -> str | None:
    places = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    return ", ".join(dict.fromkeys(text for text in map(_read, places) if text)) or None


def _turbo(root: Path) -> bool | None:
    folder = root / "sys/devices/system/cpu"
    forbidden, allowed = _read(folder / "intel_pstate/no_turbo"), _read(folder / "cpufreq/boost")
    if forbidden is not None:
        return forbidden == "0"
    return None if allowed is None else allowed == "1"


def _container(root: Path) -> str | None:
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    return _read(root / "run/systemd/container") or None


def _hypervisor(root: Path, present: bool) -> str | None:
    named = _read(root / "sys/hypervisor/type")
    if named or not present:
        return named or None
    return _read(root / "sys/class/dmi/id/product_name") or _UNNAMED
