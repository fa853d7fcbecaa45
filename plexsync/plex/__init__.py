"""Everything said to Plex: connection, library index, edits, images. Knows neither Stash nor the queue."""
