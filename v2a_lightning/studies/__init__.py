"""Studies: many runs that differ in one thing, and what they say together."""
