"""Prices in place: what every candidate of every conv takes in the graph that would be emitted (Model -> LatencyTable).

Each candidate is timed inside a whole model, where its neighbours decide what fuses and which layout it runs in.
Weights do not matter for time, so nothing is fitted and no weight is read.
"""

from convprof.pricing.building import stand_in as stand_in
from convprof.pricing.local import price as price
from convprof.pricing.packing import pack as pack
from convprof.pricing.reading import fits as fits
from convprof.pricing.reading import read as read
