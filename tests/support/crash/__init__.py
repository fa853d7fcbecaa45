"""Named crash points in the plugin's own processes, for tests only: see ``sitecustomize.py``."""
