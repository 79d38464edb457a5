"""The verdict beside a rival: when dense int8 makes a conversion pointless, and what is said where it does not."""

from __future__ import annotations

import example_run
import msgspec
import pytest

from convprof.judgement import judge
from convprof.records.benchmark import Comparison, Verdict
from convprof.records.fidelity import Fidelity, MetricChange, OutputFidelity
from convprof.records.run import Rival, Run, RunVerdict

RUN: Run = example_run.run()


def output(sqnr_db: float | None = 26.0, top1_agreement: float | None = None, finite: bool = True) -> OutputFidelity:
    return OutputFidelity("y", 0.1, 0.05, sqnr_db, top1_agreement, finite)


def top1(after: float, half: float = 0.002, samples: int = 10_000, name: str = "top1") -> Fidelity:
    change = after - 0.87
    metric = MetricChange(name, 0.87, after, change, (change - half, change + half))
    return Fidelity("convprof.fidelity/1", samples, (output(),), metric)


def outputs(*found: OutputFidelity, samples: int = 1_000) -> Fidelity:
    return Fidelity("convprof.fidelity/1", samples, found)


def compared(speedup: float, verdict: Verdict, baseline: int = 0) -> Comparison:
    return Comparison(baseline, 2, speedup, (0.95 * speedup, 1.05 * speedup), 0.95, verdict)


def judged(converted: Fidelity | None, rival: Fidelity | None, verdict: Verdict, speedup: float = 1.5) -> RunVerdict:
    faster = msgspec.structs.replace(RUN.benchmark, comparisons=(compared(2.0, "faster"),))
    int8 = Rival(
        name="dense int8",
        path="int8.onnx",
        samples=256,
        bytes=300,
        bytes_original=1_000,
        bytes_converted=600,
        fidelity=rival,
        against_original=compared(3.0, "faster"),
        against_converted=compared(speedup, verdict, 1),
    )
    return judge(RUN.analysis, RUN.analysis_after, converted, faster, int8)


def test_without_a_rival_nothing_is_said_of_one() -> None:
    verdict = judge(RUN.analysis, RUN.analysis_after, RUN.fidelity, RUN.benchmark)
    assert verdict.better_rival is None
    assert "int8" not in verdict.text


@pytest.mark.parametrize(
    ("converted", "rival", "closeness"),
    [
        (top1(0.865), top1(0.870), "closer to"),
        (top1(0.866), top1(0.865), "as close to"),
        (outputs(output()), outputs(output(sqnr_db=40.0)), "closer to"),
        (outputs(output()), outputs(output(sqnr_db=25.8)), "as close to"),
        (outputs(output(sqnr_db=20.0)), outputs(output(sqnr_db=None)), "closer to"),
        (outputs(output(top1_agreement=0.985)), outputs(output(top1_agreement=0.999)), "closer to"),
    ],
)
def test_what_is_faster_and_no_further_is_to_be_used(converted: Fidelity, rival: Fidelity, closeness: str) -> None:
    verdict = judged(converted, rival, "faster")
    assert not verdict.worth_it
    assert verdict.better_rival == "dense int8"
    assert f"Dense int8 alone is faster, 1.50 times its speed (1.42 to 1.58), and {closeness}" in verdict.text
    assert ": use it; its file has 0.50 times the bytes." in verdict.text


@pytest.mark.parametrize(
    ("converted", "rival", "verdict", "said"),
    [
        (top1(0.868), top1(0.863), "faster", "is faster, 1.50 times its speed (1.42 to 1.58), but further from"),
        (top1(0.865), top1(0.870), "slower", "is slower, 1.50 times its speed (1.42 to 1.58), but closer to"),
        (top1(0.868), top1(0.860), "slower", "is slower, 1.50 times its speed (1.42 to 1.58), and further from"),
        (top1(0.865), top1(0.870), "inconclusive", "is perhaps faster, perhaps slower, 1.50"),
        (top1(0.865), top1(0.870), "no-measurable-difference", "is no faster and no slower, 1.50"),
        (outputs(output()), outputs(output(sqnr_db=22.0)), "faster", "but further from"),
        (top1(0.868), None, "faster", "how close the two are was not compared"),
        (top1(0.868), top1(0.868, name="top5"), "faster", "how close the two are was not compared"),
        (top1(0.868), outputs(output(finite=False)), "faster", "how close the two are was not compared"),
    ],
)
def test_what_is_only_faster_or_only_closer_is_named_and_changes_nothing(
    converted: Fidelity, rival: Fidelity | None, verdict: Verdict, said: str
) -> None:
    found = judged(converted, rival, verdict)
    assert found.worth_it
    assert found.better_rival is None
    assert said in found.text
    assert "use it" not in found.text


def test_noise_of_few_samples_does_not_excuse_a_loss_beyond_the_tolerance() -> None:
    found = judged(top1(0.868, 0.1, 20), top1(0.80, 0.1, 20), "faster")
    assert found.better_rival is None
    assert "further from the original (top1 80.00 % against 86.80 %)" in found.text


def test_a_rival_that_beats_a_bad_model_is_not_recommended_for_that() -> None:
    found = judged(top1(0.70), top1(0.75), "faster")
    assert (found.worth_it, found.better_rival) == (False, "dense int8")
    assert "but not good enough either" in found.text
    assert "use it" not in found.text


def test_a_converted_model_without_data_is_judged_as_before() -> None:
    found = judged(None, None, "slower")
    assert not found.worth_it
    assert "for want of data" in found.text
    assert "Dense int8 alone is slower" in found.text
