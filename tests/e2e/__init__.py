"""The main job from the outside: a Stash, a Plex, and between them a release of PlexSync, installed as a user does it.

Run: ``python -m tests.e2e``. Knows only Stash's GraphQL and Plex's HTTP, so that real servers and those of the tests
go through the same steps. Standard library only, so it runs where nothing is installed.
"""
