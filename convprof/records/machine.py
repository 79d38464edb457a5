"""The machine behind a measurement, in detail: what could not be read is None or empty, and nothing is guessed."""

from __future__ import annotations

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """What a benchmark may depend on beyond its `Environment`, as it was before the first model was opened.

    `physical_cores` and `logical_cores` are the machine's; `Environment.cores` are those that the process may run on,
    and `core_quota` is how many cores' time its control group may use. `instruction_sets` are those that matter to
    convolutions, as Linux names them. `memory` and `memory_limit` (of the control group) are bytes. `governor` decides
    on the clock's frequency, `turbo` says whether it may rise above its nominal one. `container` names the kind of
    container, `hypervisor` that of the virtual machine, "unnamed" where only its presence is known. `load_average` is
    over the last 1, 5 and 15 minutes. `variables` are those of a fixed list of environment variables that are set.
    """

    physical_cores: int | None = None
    logical_cores: int | None = None
    core_quota: float | None = None
    instruction_sets: tuple[str, ...] = ()
    memory: int | None = None
    memory_limit: int | None = None
    governor: str | None = None
    turbo: bool | None = None
    container: str | None = None
    hypervisor: str | None = None
    load_average: tuple[float, float, float] | None = None
    variables: dict[str, str] = {}
    onnxruntime_build: str = ""
    available_providers: tuple[str, ...] = ()
    onnx: str = ""
