"""What fit.py is made of, and what plan.py takes of it.

`trained` and `pictures` (networks, their inputs and their scores), `subjects` (one of them, opened, converted and
judged), `methods` and `baselines` (ways to find the numbers), `equal` (plans of equal work), `parts` (what is kept of
which run), `timing` (a process of its own), `curve` (one picture), and a file for each group of sections.
"""
