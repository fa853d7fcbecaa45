"""The calls in docs/build/programs.md work as they stand there: in a shell, with curl and an API key."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plexsync.tasks import dispatch, operations
from tests.contract.test_docs import BLOCKS
from tests.support.installation import Installation
from tests.support.processes import until

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="the examples need bash and curl"
)
CALLS = [block for kind, block in BLOCKS if kind == "sh" and block.startswith("plexsync '")]
SETUP = "".join(block for kind, block in BLOCKS if kind == "sh" and block.startswith(("plexsync()", "STASH=")))
TASK = next(block for kind, block in BLOCKS if kind == "sh" and "runPluginTask" in block)

#: Calls that cannot succeed here, though they are right: nobody has signed in, nothing of that id is there.
FAIL = ("sign_in", "choose")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """Start both servers, behind a login, with two films."""
    with Installation(tmp_path) as made:
        made.stash.credentials, made.stash.api_key = ("user", "password"), "an-api-key"
        made.new_films(2)
        yield made


def shell(here: Installation, script: str) -> list[dict[str, Any]]:
    """Run a script as a person would; return the answers, one for each call."""
    env = {**os.environ, "STASH": f"http://127.0.0.1:{here.stash.port}", "KEY": here.stash.api_key}
    done = subprocess.run(["bash", "-c", script], capture_output=True, env=env, check=True)
    decoder, text, answers = json.JSONDecoder(), done.stdout.decode(), list[dict[str, Any]]()
    while text.strip():
        answer, end = decoder.raw_decode(text.lstrip())
        answers.append(answer)
        text = text.lstrip()[end:]
    return answers


def mode_of(call: str) -> str:
    """Return the mode of a call."""
    return str(json.loads(call.removeprefix("plexsync '").strip().removesuffix("'"))["mode"])


def test_every_call(here: Installation) -> None:
    """Each call of the document is answered by the operation, and only those that cannot succeed with an error."""
    known = {*operations.MODES, *dispatch.ASKING, "check_setup"}
    calls = [call for call in CALLS if mode_of(call) in known]
    first, *answers = shell(here, SETUP + "".join(calls))
    assert first["data"]["runPluginOperation"]["queue"]["dead"] == 0
    assert len(answers) == len(calls)
    for call, answer in zip(calls, answers, strict=True):
        if mode_of(call) in FAIL:
            assert "Unknown mode" not in str(answer)
        else:
            assert "errors" not in answer, call
            assert answer["data"]["runPluginOperation"] is not None


def test_the_task(here: Installation) -> None:
    """The task's call starts it, with its argument."""
    (answer,) = shell(here, SETUP.partition("curl")[0] + TASK)
    assert answer["data"]["runPluginTask"]
    until(lambda: sorted(here.titles()) == ["New 1", "New 2"], what="Sync recent")
