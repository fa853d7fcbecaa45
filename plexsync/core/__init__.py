"""The hook's closure: events, the data folder, locks, the insert, the wake-up. Imports nothing of PlexSync above it."""
