"""What a library of a thousand scenes costs both servers in requests."""

from __future__ import annotations

from collections import Counter

from plexsync.queue import jobs
from tests.support.in_process import Bench
from tests.support.queue_tools import job_keys

SCENES = 1000


def test_a_thousand_scenes(bench: Bench) -> None:
    """All changed: one write and 0.05 reads per scene. Nothing changed: no write, 0.03 requests per scene."""
    films = bench.films(SCENES)
    keys = [f"scene:{film.scene}" for film in films]
    cost = []
    for _ in range(2):
        bench.plex.clear_log()
        bench.stash.log.clear()
        jobs.enqueue_many(bench.conn, job_keys(keys), "Sync all", bench.now, 2, lambda _: None)
        bench.turn()
        cost.append(len(bench.plex.log) + len(bench.stash.log) - len(bench.plex.writes()))
        if len(cost) == 1:
            writes = Counter(request.param("id") for request in bench.plex.writes())
            assert writes == {str(film.item): 1 for film in films}
    assert bench.plex.writes() == []
    assert cost[0] <= 0.05 * SCENES
    assert cost[1] <= 0.03 * SCENES
    assert bench.count("pending") == 0
