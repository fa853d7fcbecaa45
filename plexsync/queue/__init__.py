"""``queue.db``: its schema, all statements about jobs, the worker's interface. Imports ``core`` and ``model``."""
