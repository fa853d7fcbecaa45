"""``metrics.prom`` is what Prometheus reads: typed, explained, in seconds, and equal to the status object."""

from __future__ import annotations

from typing import Any

import pytest

from plexsync import metrics
from plexsync.state.counters import Stats
from tests.support import prometheus
from tests.support.queue_tools import NOW
from tests.unit.test_status import EMPTY

STATUS: dict[str, Any] = EMPTY | {
    "queue": {"pending": 1, "waiting": 2, "in_progress": 3, "dead": 4, "oldest_seconds": 90},
    "totals": {"synced": 6, "unchanged": 12, "retried": 3, "dead": 2, "skipped": 1},
    "paused_kinds": [{"kind": "list:3", "why": "500", "since": None, "retry_at": None}],
    "last_catchup": "2024-03-09T16:00:00Z",
}


def read(status_object: dict[str, Any], stats: Stats | None = None) -> dict[str, float]:
    """Return the samples as ``name{label="value"}`` -> number."""
    families = prometheus.read(metrics.text(status_object, stats or Stats(), NOW + 0.5))
    assert list(families) == list(metrics.METRICS)
    assert all(family.kind == metrics.METRICS[name][0] for name, family in families.items())
    return {
        name + "".join(f"{{{label}={value}}}" for label, value in labels): number
        for family in families.values()
        for (name, labels), number in family.samples.items()
    }


def test_the_same_numbers() -> None:
    """Every number of the status object stands in a sample of its own."""
    found = read(STATUS)
    assert found["plexsync_jobs{state=waiting}"] == 2
    assert found["plexsync_jobs{state=dead}"] == 4
    assert found["plexsync_oldest_job_seconds"] == 90
    assert found["plexsync_jobs_total{outcome=unchanged}"] == 12
    assert found["plexsync_requests_total{kind=stash}"] == 0
    assert found["plexsync_dead_letters{reason=invalid}"] == 0
    assert found["plexsync_last_catchup_timestamp_seconds"] == NOW
    assert found["plexsync_exported_timestamp_seconds"] == NOW + 0.5
    assert [found[f"plexsync_kind_paused{{kind={kind}}}"] for kind in metrics.KINDS] == [0, 0, 0, 1]
    assert found[f"plexsync_build_info{{version={STATUS['version']}}}"] == 1


@pytest.mark.parametrize(
    ("change", "metric"),
    [
        ({"problem": "x"}, "plexsync_paused"),
        ({"worker": {"running": True, "pid": 1}}, "plexsync_worker_running"),
        ({"breaker": EMPTY["breaker"] | {"state": "half_open"}}, "plexsync_breaker_open"),
    ],
)
def test_switches(change: dict[str, Any], metric: str) -> None:
    """What is on is 1 and what is off is 0."""
    assert (read(EMPTY)[metric], read(EMPTY | change)[metric]) == (0, 1)


def test_histograms() -> None:
    """A duration counts in every bucket from its own on; what is longer than all bounds counts in the last one."""
    stats = Stats()
    for seconds in (0.004, 0.005, 0.3, 500.0, -1.0):
        stats.write_latency.observe(seconds)
    stats.sync_delay.observe(2.0)
    found = read(EMPTY, stats)
    name = "plexsync_write_latency_seconds"
    assert found[f"{name}_bucket{{le=0.005}}"] == 3
    assert found[f"{name}_bucket{{le=0.25}}"] == 3
    assert found[f"{name}_bucket{{le=0.5}}"] == found[f"{name}_bucket{{le=60}}"] == 4
    assert found[f"{name}_bucket{{le=+Inf}}"] == found[f"{name}_count"] == 5
    assert found[f"{name}_sum"] == 500.309
    assert found["plexsync_sync_delay_seconds_sum"] == 2
    assert found["plexsync_sync_delay_seconds_bucket{le=2.5}"] == 1


def test_labels_are_escaped() -> None:
    """A quote, a backslash and a line break in a label do not end it."""
    odd = 'a"b\\c\nd'
    assert read(EMPTY | {"version": odd})[f"plexsync_build_info{{version={odd}}}"] == 1


BAD = {
    "no line feed at the end": "# HELP a b\n# TYPE a gauge\na 1",
    "no type": "# HELP a b\na 1\n",
    "no help": "# TYPE a gauge\na 1\n",
    "no sample": "# HELP a b\n# TYPE a gauge\n",
    "a counter without _total": "# HELP a b\n# TYPE a counter\na 1\n",
    "a gauge with _total": "# HELP a_total b\n# TYPE a_total gauge\na_total 1\n",
    "another metric's sample": "# HELP a b\n# TYPE a gauge\nb 1\n",
    "two groups": "# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n# TYPE a gauge\na 2\n",
    "the same twice": "# HELP a b\n# TYPE a gauge\na 1\na 1\n",
    "an open quote": '# HELP a b\n# TYPE a gauge\na{x="1} 1\n',
    "a raw quote": '# HELP a b\n# TYPE a gauge\na{x="1"2"} 1\n',
    "no number": "# HELP a b\n# TYPE a gauge\na True\n",
    "falling buckets": "# HELP a b\n# TYPE a histogram\n"
    'a_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    "no infinity": '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_sum 1\na_count 2\n',
    "another count": '# HELP a b\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n',
}


@pytest.mark.parametrize("what", BAD)
def test_the_reader_is_strict(what: str) -> None:
    """What Prometheus would refuse, or its conventions forbid, the tests' reader refuses."""
    with pytest.raises(prometheus.FormatError):
        prometheus.read(BAD[what])
