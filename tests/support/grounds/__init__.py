"""Grounds that this machine is not, entered into the plugin's own processes: see ``sitecustomize.py``."""
