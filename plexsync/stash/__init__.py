"""Everything that is asked of Stash. Imports ``core``, ``model``, ``state`` and the log."""
