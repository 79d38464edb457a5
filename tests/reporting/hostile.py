"""Names that try to be more than names, and a run full of them."""

from __future__ import annotations

import example_run
import msgspec

from convprof.records.analysis import Analysis, ModelFile, TensorSpec, Uncounted
from convprof.records.fidelity import OutputFidelity
from convprof.records.machine import Machine
from convprof.records.plan import KeptLayer
from convprof.records.remarks import Remark
from convprof.records.run import Run

NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% raw %}",
    "]]><!-- -->",
    "javascript:alert(1)",
    "\x1b[31mred\x1b[0m\x07\x00",
    "a|b\\|c||",
    "``` `code` ```",
    "line\nbreak\r\n# heading\t|",
    "\u202egnp.exe\u2066\u200f\u2028",
    "=HYPERLINK(1)",
    "[bold red]x[/] @everyone https://evil.example ![x](http://evil.example/x.png)",
)
assert len(NAMES) == len(example_run.ROWS)


def analysis(found: Analysis) -> Analysis:
    replace = msgspec.structs.replace
    return replace(
        found,
        model=ModelFile(NAMES[0] + NAMES[5] + ".onnx", "0"),
        inputs=tuple(TensorSpec(name, "float32", (1, 3)) for name in NAMES),
        uncounted=tuple(Uncounted(name, name, 1) for name in NAMES),
        convs=tuple(
            replace(conv, name=name, node_name=name, scope=name) for conv, name in zip(found.convs, NAMES, strict=True)
        ),
        notices=tuple(Remark("code", name) for name in NAMES),
    )


def run() -> Run:
    full = example_run.run()
    replace = msgspec.structs.replace
    names = {row.name: name for row, name in zip(example_run.ROWS, NAMES, strict=True)}
    assert full.fidelity is not None
    return replace(
        full,
        command=" ".join(NAMES),
        analysis=analysis(full.analysis),
        plan=replace(
            full.plan,
            model=ModelFile(NAMES[1], "0"),
            layers=tuple(replace(each, name=names[each.name]) for each in full.plan.layers),
            kept=tuple(
                KeptLayer(names[each.name], Remark(NAMES[2], text))
                for each, text in zip(full.plan.kept, NAMES, strict=False)
            ),
        ),
        fits=tuple(replace(each, name=names[each.name]) for each in full.fits),
        layers=tuple(replace(each, name=names[each.name]) for each in full.layers),
        fidelity=replace(
            full.fidelity, outputs=tuple(OutputFidelity(name, None, None, None, None, False) for name in NAMES)
        ),
        benchmark=replace(
            full.benchmark,
            models=tuple(
                replace(each, path=name) for each, name in zip(full.benchmark.models, NAMES[3:], strict=False)
            ),
            environment=replace(full.benchmark.environment, cpu=NAMES[1], os=NAMES[5]),
            machine=Machine(variables={"LD_PRELOAD": "".join(NAMES)}, hypervisor=NAMES[0], container=NAMES[3]),
            throughput=tuple(
                replace(
                    found,
                    models=tuple(
                        replace(each, times=replace(each.times, path=name))
                        for each, name in zip(found.models, NAMES, strict=False)
                    ),
                )
                for found in full.benchmark.throughput
            ),
            command=" ".join(NAMES),
        ),
        verdict=replace(full.verdict, text=" ".join(NAMES)),
        scores=tuple(replace(each, name=name) for each, name in zip(full.scores, NAMES, strict=False)),
        notices=tuple(Remark(name, name) for name in NAMES),
    )
