"""Where and how times were taken, as facts; what is not known is left out."""

from __future__ import annotations

from collections.abc import Iterator

from convprof.records.benchmark import Benchmark, Environment
from convprof.records.machine import Machine
from convprof.reporting import wording
from convprof.reporting.document import Fact


def environment(benchmark: Benchmark) -> tuple[Fact, ...]:
    """The machine from its processor to what else ran on it, then the runtime and how it was told to run."""
    where, machine = benchmark.environment, benchmark.machine or Machine()
    return (
        Fact("CPU", where.cpu),
        *_fact("Instruction sets", ", ".join(machine.instruction_sets)),
        Fact("Cores, threads", f"{_cores(where, machine)}; {_threads(where)} used"),
        *_fact("Clock", ", ".join(_clock(machine))),
        *_fact("Memory", ", ".join(_memory(machine))),
        *_fact("Runs in", ", ".join(_within(machine))),
        *_fact("Load before", _load(machine)),
        Fact("Runtime", _runtime(where)),
        *_fact("Session options", _pairs(where.session_options)),
        *_fact("Runtime's build", machine.onnxruntime_build),
        *_fact("Providers there are", ", ".join(machine.available_providers)),
        Fact("System", where.os),
        Fact("Python", _versions(where, machine)),
        *_fact("Variables", _pairs(machine.variables)),
    )


def _fact(label: str, value: str) -> tuple[Fact, ...]:
    return (Fact(label, value),) if value else ()


def _cores(where: Environment, machine: Machine) -> str:
    words = [
        f"{wording.count(count)} {kind}"
        for count, kind in ((machine.physical_cores, "physical"), (machine.logical_cores, "logical"))
        if count is not None
    ]
    quota = machine.core_quota
    limit = f", the time of {wording.round_number(quota)} at most" if quota is not None else ""
    if not words:
        return f"{wording.counted(where.cores, 'core')}{limit}"
    return f"{', '.join(words)} cores, {wording.count(where.cores)} usable{limit}"


def _threads(where: Environment) -> str:
    threads = wording.counted(where.threads, "thread")
    if where.inter_op_threads == 1:
        return threads
    return f"{threads} within operators, {wording.count(where.inter_op_threads)} between them,"


def _clock(machine: Machine) -> Iterator[str]:
    if machine.governor is not None:
        yield f"governor {machine.governor}"
    if machine.turbo is not None:
        yield f"turbo {'on' if machine.turbo else 'off'}"


def _memory(machine: Machine) -> Iterator[str]:
    if machine.memory is not None:
        yield wording.mebibytes(machine.memory)
    if machine.memory_limit is not None:
        yield f"{wording.mebibytes(machine.memory_limit)} of it usable"


def _within(machine: Machine) -> Iterator[str]:
    if machine.container is not None:
        yield f"a container ({machine.container})"
    if machine.hypervisor is not None:
        yield f"a virtual machine ({machine.hypervisor})"


def _load(machine: Machine) -> str:
    if machine.load_average is None:
        return ""
    return f"{', '.join(wording.fixed(each, 2) for each in machine.load_average)} over 1, 5 and 15 minutes"


def _runtime(where: Environment) -> str:
    providers = ", ".join(where.providers) or "no provider named"
    return f"ONNX Runtime {where.onnxruntime}, {providers}, graph optimization {where.graph_optimization}"


def _versions(where: Environment, machine: Machine) -> str:
    onnx = f", onnx {machine.onnx}" if machine.onnx else ""
    return f"{where.python}, numpy {where.numpy}{onnx}, convprof {where.convprof}"


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
