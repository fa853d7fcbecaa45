"""``metrics.prom`` as a monitoring reads it: valid at any time, and its counters outlive workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plexsync import metrics
from plexsync.core import environment
from tests.support import prometheus
from tests.support.installation import Film, Installation
from tests.support.processes import until


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Start Stash and Plex."""
    with Installation(tmp_path) as made:
        yield made


def samples(here: Installation) -> dict[str, float]:
    """Return the file's samples without labels, and those with one as ``name{value}``; once there is a file."""
    file = here.folder / environment.METRICS
    until(file.exists, what="the metrics")
    families = prometheus.read(file.read_text("utf-8"))
    assert list(families) == list(metrics.METRICS)
    return {
        name + "".join(f"{{{value}}}" for _, value in labels): number
        for family in families.values()
        for (name, labels), number in family.samples.items()
    }


def synced(here: Installation, film: Film, title: str, times: int) -> dict[str, float]:
    """Edit a scene, wait until the metrics count it, and return them."""
    here.edit(film, title)
    here.arrives(film, title)
    counted = "plexsync_jobs_total{synced}"
    until(lambda: samples(here)[counted] == times, what=f"{times} syncs in the metrics")
    return samples(here)


def test_counters_outlive_workers(here: Installation) -> None:
    """Each sync counts once, with its delay and its writes to Plex, and a killed worker takes nothing with it."""
    film = here.film("Before")
    first = synced(here, film, "One", 1)
    writes = len(here.plex.writes())
    assert first["plexsync_sync_delay_seconds_count"] == 1
    assert first["plexsync_write_latency_seconds_count"] == writes > 0
    assert first["plexsync_write_latency_seconds_sum"] > 0
    assert first["plexsync_requests_total{plex_writes}"] == writes
    assert here.kill_worker()
    second = synced(here, film, "Two", 2)
    assert second["plexsync_sync_delay_seconds_count"] == 2
    assert second["plexsync_write_latency_seconds_count"] == len(here.plex.writes()) > writes
    assert second["plexsync_sync_delay_seconds_sum"] >= first["plexsync_sync_delay_seconds_sum"]


def test_a_task_is_no_edit(here: Installation) -> None:
    """What Sync all carries over is written, and counts in no delay: nobody had edited it."""
    here.new_films(3)
    here.task("sync_all")
    until(lambda: samples(here)["plexsync_jobs_total{synced}"] == 3, what="three syncs in the metrics")
    found = samples(here)
    assert found["plexsync_sync_delay_seconds_count"] == 0
    assert found["plexsync_write_latency_seconds_count"] == len(here.plex.writes())
