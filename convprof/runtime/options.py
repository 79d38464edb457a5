"""How models are run, and the settings of onnxruntime that follow.

onnxruntime takes any entry of its configuration and says nothing of one that it does not know, so the entries that may
be set are listed here, with their values: those that change how a model is computed. None of them writes a file.
Source: onnxruntime_session_options_config_keys.h; tests hold the list against the installed library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from convprof.errors import UsageError
from convprof.runtime.library import ort
from convprof.runtime.probe import SessionOptions, configure

GRAPH_OPTIMIZATIONS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
"""onnxruntime's levels of optimisation by the names that they have here."""

_SWITCH = ("[01]", "0 or 1")
ENTRIES = {
    **dict.fromkeys(
        (
            "mlas.enable_gemm_fastmath_arm64_bfloat16",
            "optimization.enable_cast_chain_elimination",
            "optimization.enable_gelu_approximation",
            "session.disable_aot_function_inlining",
            "session.disable_double_qdq_remover",
            "session.disable_prepacking",
            "session.disable_quant_qdq",
            "session.enable_quant_qdq_cleanup",
            "session.force_spinning_stop",
            "session.inter_op.allow_spinning",
            "session.intra_op.allow_spinning",
            "session.qdqisint8allowed",
            "session.set_denormal_as_zero",
            "session.use_device_allocator_for_initializers",
            "session.x64quantprecision",
        ),
        _SWITCH,
    ),
    "optimization.disable_specified_optimizers": (r"\w+(,\w+)*", "names of optimisers, separated by commas"),
    "session.dynamic_block_base": (r"[1-9]\d{0,5}", "a whole number above 0"),
    "session.graph_optimizations_loop_level": ("[012]", "0, 1 or 2"),
}
"""Each entry with a pattern of its values, and the values in words."""


@dataclass(frozen=True)
class RunOptions:
    """How models are run.

    `threads` work within an operator. More than one of `inter_op_threads` run operators beside each other where the
    graph branches (onnxruntime's parallel mode); with one they run one by one. `graph_optimization` is one of
    GRAPH_OPTIMIZATIONS. `providers` stand by preference: each is NAME, or NAME:KEY=VALUE,KEY=VALUE with options of its
    own, as in CUDAExecutionProvider:device_id=0. `session_options` are KEY=VALUE, as in
    session.intra_op.allow_spinning=0.
    """

    threads: int = 1
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    inter_op_threads: int = 1
    graph_optimization: str = "all"
    session_options: tuple[str, ...] = ()


def session_options(options: RunOptions, trace: str | None = None) -> SessionOptions:
    """ORT's options for ours, with a profile where a prefix for the name of its trace is given.

    Raises UsageError for less than one thread, and for a level or a session option that there is not.
    """
    for threads in (options.threads, options.inter_op_threads):
        if threads < 1:
            raise UsageError("threads", f"{threads} threads cannot run anything", "ask for 1 or more")
    level = GRAPH_OPTIMIZATIONS.get(options.graph_optimization)
    if level is None:
        what = f"graph optimization {options.graph_optimization!r}"
        raise UsageError(what, "there is no such level", f"levels are {', '.join(GRAPH_OPTIMIZATIONS)}")
    entries = read_entries(options.session_options)
    made = ort().SessionOptions()
    configure(made, options.threads, trace)
    made.inter_op_num_threads = options.inter_op_threads
    if options.inter_op_threads > 1:
        made.execution_mode = ort().ExecutionMode.ORT_PARALLEL
    made.graph_optimization_level = getattr(ort().GraphOptimizationLevel, level)
    for key, value in entries.items():
        made.add_session_config_entry(key, value)
    return made


def read_entries(texts: Sequence[str]) -> dict[str, str]:
    """From KEY=VALUE texts to values by key, in the order of the keys; raises UsageError for what is not possible."""
    found: dict[str, str] = {}
    for text in texts:
        key, sign, value = (part.strip() for part in text.partition("="))
        what = f"session option {text!r}"
        if not sign or not key:
            raise UsageError(what, "it is no name and value", "write KEY=VALUE, as session.intra_op.allow_spinning=0")
        if key not in ENTRIES:
            raise UsageError(what, f"{key!r} cannot be set", f"possible are {', '.join(sorted(ENTRIES))}")
        pattern, words = ENTRIES[key]
        if not re.fullmatch(pattern, value, re.ASCII):
            raise UsageError(what, f"{value!r} is no value of {key}", f"possible is {words}")
        if key in found:
            raise UsageError(what, f"{key} is given twice", "give it once")
        found[key] = value
    return dict(sorted(found.items()))
