"""The doctor: asks a real Plex, on one item, what no test server can answer, and puts everything back."""
