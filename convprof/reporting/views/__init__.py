"""One file a record: `document` for people and `sheet` for programs."""
