"""From scenes to edits in Plex: plan, write, read back. Imports ``matching``, ``stash``, ``plex``, ``state``."""
