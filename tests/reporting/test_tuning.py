"""The table of a training run: what each measure is told in."""

from __future__ import annotations

import pytest

from convprof.records.analysis import ModelFile
from convprof.records.remarks import Remark
from convprof.records.tuning import Settings, TunedStage, Tuning
from convprof.reporting import render_tuning

LOW, HIGH = 0.87654, 0.91234


def tuning(measure: str) -> Tuning:
    stage = TunedStage(
        method="distill",
        samples=900,
        held_out=100,
        steps=30,
        epochs=4.3,
        minutes=0.5,
        measure=measure,
        better="higher",
        before=LOW,
        after=HIGH,
        kept=30,
        batch=128,
        learning_rate=0.001,
    )
    return Tuning(
        schema="convprof.tuning/1",
        convprof="0.1.0",
        torch=None,
        device="cpu",
        processes=1,
        student=ModelFile("student.onnx", "ab" * 32),
        teacher=None,
        path="tuned.onnx",
        data="data.npz",
        labels=None,
        settings=Settings(),
        mirrored=False,
        mirror_agreement=None,
        times=(),
        stages=(stage,),
        notices=(Remark("no-gain", "nothing better was found"), Remark("no-gain", "nothing better was found")),
    )


@pytest.mark.parametrize(
    ("measure", "shown"),
    [
        ("top1", ("87.65 %", "91.23 %")),
        ("agreement", ("87.65 %", "91.23 %")),
        ("kl", ("0.8765", "0.9123")),
        ("own:loss", ("0.8765", "0.9123")),
    ],
)
def test_shares_are_told_in_percent(measure: str, shown: tuple[str, str]) -> None:
    text = render_tuning(tuning(measure), "table", width=200)
    assert all(each in text for each in shown)


def test_a_notice_stands_once() -> None:
    assert render_tuning(tuning("kl"), "table", width=200).count("nothing better was found") == 1
