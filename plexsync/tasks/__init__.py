"""The tasks and operations that Stash calls."""
