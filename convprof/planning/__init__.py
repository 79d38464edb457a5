"""Which conv becomes what: what is offered for each, and the least damage within a budget; or one choice for all."""

from convprof.planning.offers import Offers as Offers
from convprof.planning.offers import offered as offered
from convprof.planning.refitting import refitted as refitted
from convprof.planning.selection import select as select
from convprof.planning.solving import Choice as Choice
from convprof.planning.solving import Damages as Damages
from convprof.planning.solving import repriced as repriced
from convprof.planning.solving import require_reachable as require_reachable
from convprof.planning.solving import solve as solve
from convprof.planning.solving import sweep as sweep
from convprof.planning.uniform import uniform as uniform
