"""What tune.py is made of.

`rows` (what is trained, from what start, how), `starts` (factors found in other ways), `mimicry` (another method),
`trials` (one row, measured) and `telling` (what is written of it).
"""
