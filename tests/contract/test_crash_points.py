"""The crash points at which tests kill the plugin: each names a function that is there, or nobody would ever die."""

from __future__ import annotations

import importlib
from functools import reduce

import pytest

from tests.support.crash.sitecustomize import POINTS


@pytest.mark.parametrize("name", POINTS)
def test_a_crash_point_names_a_function(name: str) -> None:
    """Module, class and function exist under these names."""
    point = POINTS[name]
    assert callable(reduce(getattr, point.function.split("."), importlib.import_module(point.module)))
