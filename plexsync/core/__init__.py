"""The modules that the hook loads: events, data folder, locks, the insert, the wake-up. Imports no other package."""
