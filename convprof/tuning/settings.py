"""Every number that training goes by: those that users may change are `Settings`, the others stand here."""

from __future__ import annotations

from convprof.records.tuning import Settings as Settings

RATES = {"muon": 0.004, "adamw": 1.5e-3}
"""The learning rate at its peak, unless the user says another."""
NEAR = 0.2
"""A relative error of the student's outputs at the start below which the usual rate of imitation is lowered in
proportion, but not by more than `GENTLEST`: at its peak a run strays that far (docs/decisions/0035-near.md)."""
NEAR_PICTURES = 0.1
"""The same of pictures made from pictures: most of what they show is the input's, little is the network's."""
GENTLEST = 0.01
WARM_UP = 0.1
"""Share of the steps in which the learning rate rises from `FIRST_RATE` of its peak; then it falls along a cosine."""
FIRST_RATE = 0.1
LAST_RATE = 0.001
CLIP = 5.0
"""Largest norm of the gradient of all parameters together."""
AVERAGE = 0.998
"""Share of the averaged weights that one step leaves; lower at the start."""
LOGITS = 0.1
"""Weight of the squared error of logits beside the divergence."""
FEATURES = 1.0
"""Weight of the relative squared error of the features before the last layer, for class scores."""
TEACHER = 0.5
"""Share of the teacher in the loss of `finetune` where there is one."""

LARGEST_BLOCK = 8
"""Layers that `reconstruct` passes between two values that it compares, unless too many cross there."""

GLANCE = 500
"""Held-out samples, about, that are looked at before the first step for what is only needed roughly."""
HELD_OUT = 0.05
MOST_HELD_OUT = 2000
LIKED_HELD_OUT = 100
"""So many are held out of few samples too, unless that is more than a fifth of them."""
FEWEST = 8
"""Samples; below that nothing can be held out."""
REMEMBERED = 1 << 25
"""Elements of the teacher's answers that are kept rather than computed again."""
ANSWERS_SHARE = 0.1
"""Share of the time that it may take to ask the teacher about all samples in advance."""

PASSES = 3
"""How often a way to run is timed; the fastest time counts."""
TRIAL = 0.05
"""Share of the time after which no further way to run is tried."""
COMPILING = 1.5
"""Seconds, about, that it takes to compile one operator with its gradient."""
EVALUATIONS = 40
"""How often the held-out part is looked at in one stage, unless that takes more than `EVALUATION_SHARE` of the time."""
EVALUATION_SHARE = 0.1
FAR_WORSE = 3.0
LEAST_FAR = 0.01
"""A held-out error more than so many times the start's, and by more than so much, twice in a row: the run diverged."""
ROLLBACKS = 3
SLOWER = 0.3
"""What the learning rate is multiplied by when a run is rolled back."""
SETTLED = 0.6
PATIENCE = 0.15
LOOKS = 4
"""A run stops early where, after `SETTLED` of its steps, that share of them and so many looks were worse than the best;
where shares of right answers are looked at, worse by a standard error."""
MIRROR_AGREES = 0.75
"""Share of pictures whose mirror image the teacher must take for the same class, else pictures are not mirrored."""
OFF = 0.05
"""By what share there may be time for other than the steps left before they are planned anew."""
