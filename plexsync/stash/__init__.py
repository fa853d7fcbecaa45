"""Everything that PlexSync asks of Stash. Imports ``core``, ``model``, ``state`` and ``log``."""
