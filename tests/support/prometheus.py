"""A strict reader of Prometheus' text format, version 0.0.4: whatever its own reader would refuse is refused here."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|Inf)|NaN")
_ENDINGS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}

Labels = tuple[tuple[str, str], ...]


class FormatError(Exception):
    """The text is not in Prometheus' format."""


@dataclass
class Family:
    """One metric: its type, help, and samples by name and labels."""

    kind: str = ""
    help: str = ""
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def read(text: str) -> dict[str, Family]:
    """Return the metrics by name. Raise ``FormatError``."""
    if not text.endswith("\n") or "\r" in text:
        raise FormatError("lines end with a line feed, the last one too")
    families: dict[str, Family] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            _comment(line, families)
        else:
            _sample(line, families)
    for name, family in families.items():
        _check(name, family)
    return families


def _comment(line: str, families: dict[str, Family]) -> None:
    _, word, name, rest = line.split(" ", 3)
    if word not in ("HELP", "TYPE") or not _NAME.fullmatch(name):
        raise FormatError(f"no comment of the format: {line}")
    if word == "HELP":
        if name in families:
            raise FormatError(f"a second group of {name}")
        if re.search(r"\\(?![\\n])", rest):
            raise FormatError(f"a lone backslash: {line}")
        families[name] = Family(help=rest)
        return
    family = families.get(name)
    if family is None or family.kind or family.samples or rest not in _ENDINGS:
        raise FormatError(f"TYPE out of place or unknown: {line}")
    if list(families)[-1] != name:
        raise FormatError(f"{name} in two places")
    family.kind = rest


def _sample(line: str, families: dict[str, Family]) -> None:
    name = _NAME.match(line)
    if name is None or not families:
        raise FormatError(f"no sample: {line}")
    family_name, family = list(families.items())[-1]
    endings = [f"{family_name}{ending}" for ending in _ENDINGS.get(family.kind, ())]
    if name[0] not in endings:
        raise FormatError(f"a sample of another metric than {family_name}: {line}")
    rest, labels = line[name.end() :], list[tuple[str, str]]()
    if rest.startswith("{"):
        inner, closed, rest = _braces(rest)
        position = 0
        while position < len(inner):
            pair = _LABEL.match(inner, position)
            if pair is None:
                raise FormatError(f"labels cannot be read: {line}")
            labels.append((pair[1], re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), pair[2])))
            position = pair.end() + (1 if inner[pair.end() : pair.end() + 1] == "," else 0)
        if not closed or len({label for label, _ in labels}) < len(labels):
            raise FormatError(f"labels cannot be read: {line}")
    if not rest.startswith(" ") or not _NUMBER.fullmatch(rest[1:]):
        raise FormatError(f"no number, or more than one: {line}")
    key = (name[0], tuple(sorted(labels)))
    if key in family.samples:
        raise FormatError(f"a second sample: {line}")
    family.samples[key] = float(rest[1:])


def _braces(text: str) -> tuple[str, bool, str]:
    """Return what stands within the braces, whether they close, and the rest."""
    found = re.match(r'\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}', text)
    return (found[1], True, text[found.end() :]) if found else ("", False, text)


def _check(name: str, family: Family) -> None:
    """Hold a metric to the conventions, and a histogram to be one."""
    if not (family.kind and family.help and family.samples):
        raise FormatError(f"{name} lacks type, help or samples")
    if (family.kind == "counter") != name.endswith("_total"):
        raise FormatError(f"{name} is a {family.kind}")
    if family.kind == "counter" and any(not 0 <= value < math.inf for value in family.samples.values()):
        raise FormatError(f"{name} counts backwards")
    if family.kind == "histogram":
        buckets = [(dict(key[1])["le"], value) for key, value in family.samples.items() if key[0] == f"{name}_bucket"]
        bounds, counts = [float(bound) for bound, _ in buckets], [value for _, value in buckets]
        if bounds != sorted(set(bounds)) or counts != sorted(counts) or bounds[-1:] != [math.inf]:
            raise FormatError(f"{name} has no rising buckets up to infinity")
        if counts[-1] != family.samples[f"{name}_count", ()] or (f"{name}_sum", ()) not in family.samples:
            raise FormatError(f"{name} has another count than its last bucket, or no sum")
