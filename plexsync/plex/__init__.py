"""Everything that is asked of Plex, and the index of its files. Imports ``core``, ``model``, ``log``."""
