"""How close two models are on data, output by output, and what that does to the user's metric.

`streaming` is the stage: batches stream through both models. `outputs` keeps sums and how far each sample moved,
`metrics` two scores a sample; `classes` says which outputs are a classifier's.
"""

from convprof.verification.streaming import compare as compare
