"""``queue.db``: its schema, every statement about jobs, and the worker's view of it. Imports ``core`` and ``model``."""
