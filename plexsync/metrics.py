"""``metrics.prom``: the status object's numbers in Prometheus' text format. Pure, standard library alone.

Counters end in ``_total``, times are in seconds. Contains no token, title or path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from plexsync.model.histogram import Histogram
from plexsync.state.counters import Stats

#: Kinds of request to Plex, as ``state/gates.py`` names them; all libraries together are ``list``.
KINDS = ("read", "edit", "upload", "list")

#: Metric -> (type, help), named by Prometheus' conventions.
METRICS = {
    "plexsync_jobs": ("gauge", "Jobs by state."),
    "plexsync_dead_letters": ("gauge", "Dead letters by reason."),
    "plexsync_oldest_job_seconds": ("gauge", "Age of the oldest job."),
    "plexsync_breaker_open": ("gauge", "1 while Plex is unreachable."),
    "plexsync_kind_paused": ("gauge", "1 while Plex takes no requests of this kind."),
    "plexsync_worker_running": ("gauge", "1 while the background worker runs."),
    "plexsync_paused": ("gauge", "1 while syncing waits for the user."),
    "plexsync_jobs_total": ("counter", "Jobs ended, by outcome."),
    "plexsync_requests_total": ("counter", "HTTP requests, by kind."),
    "plexsync_write_latency_seconds": ("histogram", "Time that Plex took to answer a request that writes."),
    "plexsync_sync_delay_seconds": ("histogram", "Time from an edit in Stash to its arrival in Plex."),
    "plexsync_last_catchup_timestamp_seconds": ("gauge", "When PlexSync last compared everything with Stash."),
    "plexsync_exported_timestamp_seconds": ("gauge", "When this file was written."),
    "plexsync_build_info": ("gauge", "The version of PlexSync, in a label."),
}

_Samples = Iterable[tuple[str, Mapping[str, str], float]]


def text(status_object: Mapping[str, Any], stats: Stats, now: float) -> str:
    """Return the metrics at ``now`` (seconds since the epoch)."""
    histograms = {
        "plexsync_write_latency_seconds": stats.write_latency,
        "plexsync_sync_delay_seconds": stats.sync_delay,
    }
    values = _values(status_object, now)
    lines: list[str] = []
    for name, (kind, explanation) in METRICS.items():
        samples = _buckets(histograms[name]) if name in histograms else values[name]
        lines += [f"# HELP {name} {explanation}", f"# TYPE {name} {kind}"]
        lines += [f"{name}{ending}{_labels(labels)} {_number(value)}" for ending, labels, value in samples]
    return "\n".join(lines) + "\n"


def _values(status_object: Mapping[str, Any], now: float) -> dict[str, _Samples]:
    queue = status_object["queue"]
    states = {name: queue[name] for name in ("pending", "waiting", "in_progress", "dead")}
    paused = {gate["kind"].partition(":")[0] for gate in status_object["paused_kinds"]}
    catchup = status_object["last_catchup"]
    return {
        "plexsync_jobs": _by("state", states),
        "plexsync_dead_letters": _by("reason", status_object["dead_by_reason"]),
        "plexsync_oldest_job_seconds": _one(queue["oldest_seconds"]),
        "plexsync_breaker_open": _one(status_object["breaker"]["state"] != "closed"),
        "plexsync_kind_paused": _by("kind", {kind: kind in paused for kind in KINDS}),
        "plexsync_worker_running": _one(status_object["worker"]["running"]),
        "plexsync_paused": _one(status_object["problem"] is not None),
        "plexsync_jobs_total": _by("outcome", status_object["totals"]),
        "plexsync_requests_total": _by("kind", status_object["requests"]),
        "plexsync_last_catchup_timestamp_seconds": _one(datetime.fromisoformat(catchup).timestamp() if catchup else 0),
        "plexsync_exported_timestamp_seconds": _one(now),
        "plexsync_build_info": [("", {"version": status_object["version"]}, 1)],
    }


def _one(value: float) -> _Samples:
    return [("", {}, value)]


def _by(label: str, values: Mapping[str, float]) -> _Samples:
    return [("", {label: name}, value) for name, value in values.items()]


def _buckets(histogram: Histogram) -> _Samples:
    for bound, number in histogram.cumulative():
        yield "_bucket", {"le": _number(bound)}, number
    yield "_sum", {}, round(histogram.sum, 6)
    yield "_count", {}, histogram.count


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
