"""``state.db``: what was written where, what was seen, the pause, the counters. Imports ``core``, ``model``."""
