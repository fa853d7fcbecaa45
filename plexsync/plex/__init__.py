"""Everything that PlexSync asks of Plex, and the index of Plex's files. Imports ``core`` and ``model``."""
