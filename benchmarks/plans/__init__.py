"""What plan.py is made of.

`workshop` (one model, priced, surveyed and timed), `rungs` (plans from gentle to harsh by every method, and the
gentlest that meets a target), `greedy` (Zhang et al.'s rule), `notes` (what is said while it runs), and a file for
each section: `latency`, `quality`, `emission`, `integers` and `duration`. Networks, parts, and tables are fit.py's.
"""
