"""PlexSync carries scene metadata from Stash to Plex."""

__version__ = "1.1.0"
