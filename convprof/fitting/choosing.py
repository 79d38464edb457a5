"""Fits one layer to its evidence; where there is little of it, how to fit is chosen on the part held out."""

from __future__ import annotations

from dataclasses import dataclass

from convprof.fitting.behind import ActivatedResponse, refine
from convprof.fitting.evidence import Evidence, Part
from convprof.forms import Form
from convprof.moments import RIDGE
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, Recipe

SWEEPS = 12
_TRIAL_SWEEPS = 6
_LAST_SWEEPS = 6
_PLAIN = Recipe(ridge=RIDGE)
_FOR_FEW = tuple(
    Recipe(ridge=ridge, teacher_share=share) for share in (0.0, 0.5, 1.0) for ridge in (RIDGE, 1e-3, 1e-2, 1e-1)
)


@dataclass(frozen=True)
class Layer:
    """One dense conv and the form that it should take."""

    form: Form
    spec: ConvSpec
    kernel: Array
    start: Factors
    """Weights-only factors."""

    def closed_form(self, part: Part, recipe: Recipe, start: Factors, sweeps: int) -> Factors:
        """The factors that come closest to the responses of `part` in front of any activation."""
        moments = part.mixed(recipe.teacher_share)
        chain = self.form.fit(moments.ridged(self.kernel, recipe.ridge or 0), self.spec, start, sweeps)
        return self.biased(chain, part)

    def biased(self, chain: Factors, part: Part) -> Factors:
        """The same factors with the bias that suits `part` best."""
        return Factors(chain.weights, part.student.best_bias(self.form.compose(chain, self.spec)))

    def refined(self, part: Part, evidence: Evidence, recipe: Recipe, start: Factors) -> Factors:
        """`start`, improved for what the activation lets through."""
        if evidence.curve is None or part.rows is None:
            return start
        ridged = part.mixed(recipe.teacher_share).ridged(self.kernel, recipe.ridge or 0)
        return refine(self.form, self.spec, ridged, ActivatedResponse(part.rows, evidence.curve), start)

    def error(self, part: Part, evidence: Evidence, factors: Factors) -> float:
        """Relative squared error on `part`, behind the activation where one follows."""
        kernel = self.form.compose(factors, self.spec)
        if evidence.curve is None or part.rows is None:
            return part.student.relative_error(kernel, factors.bias)
        return ActivatedResponse(part.rows, evidence.curve).relative_error(kernel, factors.bias)


def fit_layer(layer: Layer, evidence: Evidence) -> tuple[Factors, Recipe]:
    """Factors with their bias, and how they were found.

    Weights-only factors stay where no fit is better on the inputs held out.
    """
    if evidence.held is None:
        factors = layer.closed_form(evidence.train, _PLAIN, layer.start, SWEEPS)
        return layer.refined(evidence.train, evidence, _PLAIN, factors), _refined(_PLAIN, evidence)
    recipe, factors = _chosen(layer, evidence, evidence.held)
    whole = evidence.whole
    if recipe.ridge is None:
        return layer.biased(layer.start, whole), recipe
    factors = layer.closed_form(whole, recipe, factors, _LAST_SWEEPS)
    return (layer.refined(whole, evidence, recipe, factors) if recipe.activated else factors), recipe


def _chosen(layer: Layer, evidence: Evidence, held: Part) -> tuple[Recipe, Factors]:
    """The recipe that is best on the part held out, and what it made of the part to fit on."""
    train = evidence.train
    recipes, sweeps = (_FOR_FEW, _TRIAL_SWEEPS) if evidence.few else ((_PLAIN,), SWEEPS)
    trials = [(recipe, layer.closed_form(train, recipe, layer.start, sweeps)) for recipe in recipes]
    trials.append((Recipe(), layer.biased(layer.start, train)))
    errors = [layer.error(held, evidence, factors) for _, factors in trials]
    recipe, factors = trials[errors.index(min(errors))]
    if recipe.ridge is None or evidence.curve is None:
        return recipe, factors
    if evidence.few:
        further = layer.refined(train, evidence, recipe, factors)
        if not layer.error(held, evidence, further) < min(errors):
            return recipe, factors
    return _refined(recipe, evidence), factors


def _refined(recipe: Recipe, evidence: Evidence) -> Recipe:
    return Recipe(recipe.ridge, recipe.teacher_share, evidence.curve is not None)
