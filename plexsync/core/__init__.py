"""What the hook loads: events, the data folder, locks, the insert, waking the worker. Imports no other package."""
