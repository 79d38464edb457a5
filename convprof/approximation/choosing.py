"""Fits one layer to its evidence; where there is little of it, how to fit is chosen on the part held out."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from convprof.approximation.behind import refine
from convprof.approximation.evidence import Evidence, Part
from convprof.forms import Form
from convprof.moments import RIDGE
from convprof.records.convs import ConvSpec
from convprof.records.factors import Array, Factors, Recipe

_SWEEPS = 12
_TRIAL_SWEEPS = 6
_TRIAL_SWEEPS_WIDE = 2
_WIDE = 1024
"""Unknowns of the regression of one response from which on sweeps are the longest part of a fit."""
_LAST_SWEEPS = 6
_PLAIN = Recipe(ridge=RIDGE)
_SHARES = (0.0, 0.5, 1.0)
_MIDDLE_RIDGE = 1e-2
_RIDGES = ((1e-1,), (1e-3, RIDGE))
"""Away from the middle, one way and the other, until it gets worse."""


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

    def refined(self, part: Part, recipe: Recipe, start: Factors) -> Factors:
        """`start`, improved for what the activation lets through."""
        if part.behind is None:
            return start
        ridged = part.mixed(recipe.teacher_share).ridged(self.kernel, recipe.ridge or 0)
        return refine(self.form, self.spec, ridged, part.behind, start)

    def error(self, part: Part, factors: Factors) -> float:
        """Relative squared error on `part`, behind the activation where one follows."""
        measure = part.behind or part.student
        return measure.relative_error(self.form.compose(factors, self.spec), factors.bias)


@dataclass(frozen=True)
class Approximation:
    """Factors with their bias, how they were found, and what they miss.

    Errors are relative squared errors on all the evidence, behind the activation where one follows; `error_weights` is
    that of the weights-only factors.
    """

    factors: Factors
    recipe: Recipe
    error: float
    error_weights: float


def approximate(layer: Layer, evidence: Evidence) -> Approximation:
    """The layer fitted to its evidence; weights-only factors stay where no fit is better on the inputs held out."""
    factors, recipe = _fitted(layer, evidence)
    whole = evidence.whole
    error, error_weights = (layer.error(whole, chain) for chain in (factors, layer.biased(layer.start, whole)))
    return Approximation(factors, recipe, error, error_weights)


def _fitted(layer: Layer, evidence: Evidence) -> tuple[Factors, Recipe]:
    if evidence.held is None:
        factors = layer.closed_form(evidence.train, _PLAIN, layer.start, _SWEEPS)
        return layer.refined(evidence.train, _PLAIN, factors), _refined(_PLAIN, evidence.train)
    recipe, factors = _chosen(layer, evidence, evidence.held)
    whole = evidence.whole
    if recipe.ridge is None:
        return layer.biased(layer.start, whole), recipe
    factors = layer.closed_form(whole, recipe, factors, _LAST_SWEEPS)
    return (layer.refined(whole, recipe, factors) if recipe.activated else factors), recipe


def _chosen(layer: Layer, evidence: Evidence, held: Part) -> tuple[Recipe, Factors]:
    """The recipe that is best on the part held out, and what it made of the part to fit on."""
    train = evidence.train
    trials = _Trials(layer, train, held)
    trials.add(Recipe(), layer.biased(layer.start, train))
    if not evidence.few:
        trials.add(_PLAIN, layer.closed_form(train, _PLAIN, layer.start, _SWEEPS))
    else:
        _try_recipes(trials)
    if trials.recipe.ridge is None or train.behind is None:
        return trials.recipe, trials.factors
    factors, recipe = trials.factors, _refined(trials.recipe, train)
    if evidence.few and not trials.add(recipe, layer.refined(train, recipe, factors)):
        return trials.recipe, factors
    return recipe, factors


class _Trials:
    """The best of what was tried, by its error on the part held out."""

    def __init__(self, layer: Layer, train: Part, held: Part) -> None:
        self._layer, self._train, self._held = layer, train, held
        self._error = inf
        self.recipe, self.factors = Recipe(), layer.start

    def add(self, recipe: Recipe, factors: Factors) -> bool:
        """Whether this is better than all before it."""
        error = self._layer.error(self._held, factors)
        if not error < self._error:
            return False
        self.recipe, self.factors, self._error = recipe, factors, error
        return True

    def attempt(self, recipe: Recipe) -> bool:
        """Whether a short fit by this recipe is better than all before it."""
        sweeps = _TRIAL_SWEEPS_WIDE if len(self._train.student.covariance) > _WIDE else _TRIAL_SWEEPS
        return self.add(recipe, self._layer.closed_form(self._train, recipe, self._layer.start, sweeps))


def _try_recipes(trials: _Trials) -> None:
    """First how much of the original network's inputs to mix in, then the ridge."""
    for share in _SHARES:
        trials.attempt(Recipe(_MIDDLE_RIDGE, share))
    share = trials.recipe.teacher_share
    for ridges in _RIDGES:
        for ridge in ridges:
            if not trials.attempt(Recipe(ridge, share)):
                break


def _refined(recipe: Recipe, part: Part) -> Recipe:
    return Recipe(recipe.ridge, recipe.teacher_share, part.behind is not None)
