"""Sections `forms` and `baselines`: convprof's forms, and other methods, at the same work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from writing import Page

from convprof.fitting import Level
from convprof.forms import FORMS
from fits import baselines, equal, methods, tables
from fits.parts import Aim, Part, Raw
from fits.subjects import Method, Subject
from fits.trained import NETWORKS, RESNET20, WIDE, Setting, Trained

Measure = Callable[[Trained, Setting], Raw]
Tell = Callable[[Page, Raw], list[Aim]]
_RANKS = (1, 2)
_OURS = "convprof"
_BASELINES: Mapping[str, tuple[str, Method]] = {
    "ND, DAC: SVD of slices": ("depthwise-pointwise", methods.weights),
    "one sweep, compensated (He et al. 2019)": (
        "depthwise-pointwise",
        baselines.method(baselines.compensated_slices),
    ),
    "SVD in the metric of the inputs (as BALF)": ("channel", baselines.method(baselines.whitened_filters)),
    "asymmetric reduced-rank regression (Zhang et al. 2015)": ("channel", methods.at(Level.ASYMMETRIC)),
    "spatial, fitted on the original's inputs": ("spatial", methods.at(Level.SYMMETRIC)),
    _OURS: ("depthwise-pointwise", methods.best),
    "convprof, chain of three": ("pointwise-depthwise-pointwise", methods.best),
}


def _measure_forms(trained: Trained, setting: Setting) -> Raw:
    subject = Subject(trained, setting)
    rows = []
    for rank in _RANKS:
        for form in FORMS:
            judged = subject.try_out(equal.plan(subject, form, rank), methods.best)
            rows.append(tables.row(judged, rank=rank, form=form))
    return {"unit": trained.unit, "rows": rows}


def _tell_forms(page: Page, data: Raw) -> list[Aim]:
    rows = data["rows"]
    page.say(tables.facts(tables.outcome(rows[0]), data["unit"]))
    page.table(
        ("MACs as rank", "form", *tables.SCORED, "drop"),
        [
            (row["rank"], row["form"], *tables.scored(found), f"{found.dense - found.mean:.2f}")
            for row, found in ((row, tables.outcome(row)) for row in rows)
        ],
    )
    return []


def _measure_baselines(trained: Trained, setting: Setting) -> Raw:
    subject = Subject(trained, setting)
    rows = []
    for rank in _RANKS:
        for name, (form, method) in _BASELINES.items():
            judged = subject.try_out(
                equal.plan(subject, form, rank), method, setting.seeds[:1] if method is methods.weights else None
            )
            rows.append(tables.row(judged, rank=rank, method=name, form=form))
    return {"unit": trained.unit, "rows": rows}


def _tell_baselines(page: Page, data: Raw) -> list[Aim]:
    rows = data["rows"]
    page.say(tables.facts(tables.outcome(rows[0]), data["unit"]))
    page.table(
        ("MACs as rank", "method", "form", *tables.SCORED),
        [(row["rank"], row["method"], row["form"], *tables.scored(tables.outcome(row))) for row in rows],
    )
    page.say(
        "All but convprof's are written from the papers for this page (`benchmarks/fits/baselines.py`), see the same "
        "inputs at the same sampled positions, and get the bias that suits them best. None is trained afterwards, "
        "which the papers mostly do."
    )
    return []


def _parts(section: str, title: str, measure: Measure, tell: Tell, networks: Sequence[Trained]) -> list[Part]:
    """One part a network; only the small one is repeated over seeds."""

    def of(trained: Trained) -> Part:
        def run(setting: Setting) -> Raw:
            return measure(trained, setting if trained is RESNET20 else setting.first)

        return Part(f"{section}/{trained.name}", f"{title}: {trained.name}", run, tell)

    return [of(trained) for trained in networks]


PARTS = (
    *_parts("forms", "Forms at equal MACs", _measure_forms, _tell_forms, NETWORKS),
    *_parts("baselines", "Other methods at equal MACs", _measure_baselines, _tell_baselines, (RESNET20, WIDE)),
)
