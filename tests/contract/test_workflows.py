"""The workflows: pinned, with few permissions, calling nothing that is not there. ``make actions`` checks the rest."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").iterdir())
TEXTS = {path.name: path.read_text("utf-8") for path in WORKFLOWS}

#: What ``python -m`` may name besides the modules of this tree.
TOOLS = {"coverage", "pip", "pytest", "zipfile"}

#: Makes no environment, so it needs no interpreter.
WITHOUT_PYTHON = {"actions"}


class Job(NamedTuple):
    """One job: where it stands, and its text below the name."""

    workflow: str
    name: str
    text: str


def jobs() -> list[Job]:
    """Return every job of every workflow."""
    found = []
    for workflow, text in TEXTS.items():
        pieces = re.split(r"^  ([\w-]+):\n", text.split("\njobs:\n")[1], flags=re.MULTILINE)
        found += [Job(workflow, name, body) for name, body in zip(pieces[1::2], pieces[2::2], strict=True)]
    return found


def scripts(text: str) -> list[str]:
    """Return what the steps of a text run, continued lines joined."""
    found = re.findall(r"^( *)(?:- )?run: (?:\|\n((?:\1 .*\n|\n)+)|(.+)\n)", text, flags=re.MULTILINE)
    return [(block or line).replace("\\\n", " ") for _, block, line in found]


JOBS = jobs()
SCRIPTS = {name: scripts(text) for name, text in TEXTS.items()}
COMMANDS = "\n".join(script for listed in SCRIPTS.values() for script in listed)


def test_the_reader_sees_all_steps() -> None:
    """What the tests below look at is all that the workflows run."""
    assert {(job.workflow, job.name) for job in JOBS} >= {("ci.yaml", "test"), ("release.yaml", "publish")}
    for name, text in TEXTS.items():
        assert len(SCRIPTS[name]) == len(re.findall(r"^ *(?:- )?run:(?! *$)", text, flags=re.MULTILINE)) > 0, name
    assert "tests/worker/" not in COMMANDS.replace("tests/unit/worker/", "")
    assert "make actions" in COMMANDS
    assert "tests/unit/worker/test_retry.py" in COMMANDS


def test_no_file_is_taken_for_a_plugin() -> None:
    """Workflows and Dependabot's settings end in ``.yaml``, which Stash does not load."""
    strange = [path.name for path in FOLDER.rglob("*") if path.is_file() and path.suffix not in (".yaml", ".md")]
    assert strange == [], "Stash would take a .yml for a plugin: let it end in .yaml"


def test_actions_are_pinned() -> None:
    """Every action is named by a whole commit with its version beside it, and by the same one everywhere."""
    used = [line for text in TEXTS.values() for line in re.findall(r"uses: (.+)", text)]
    assert used
    pinned = [re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line) for line in used]
    loose = [line for line, found in zip(used, pinned, strict=True) if not found]
    assert loose == ["./.github/workflows/ci.yaml"], "write owner/name@<the 40 digits of the commit> # v1.2.3"
    commits = defaultdict(set)
    for found in filter(None, pinned):
        commits[found[1]].add(found.group(2, 3))
    assert {name: found for name, found in commits.items() if len(found) > 1} == {}, "use one commit of it everywhere"


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.workflow}-{job.name}")
def test_a_job_has_few_permissions_and_an_end(job: Job) -> None:
    """Nothing is permitted but what a job asks for, only a release writes, and every job has a time limit."""
    assert "\npermissions: {}\n" in TEXTS[job.workflow]
    asked = re.search(r"^    permissions:(?: \{\}\n|\n((?:      .+\n)+))", job.text, flags=re.MULTILINE)
    assert asked, f"{job.name} needs permissions, {{}} if it needs none"
    given = {line.split("#")[0].strip() for line in (asked[1] or "").splitlines()}
    if (job.workflow, job.name) not in {("release.yaml", "publish"), ("release.yaml", "pages")}:
        assert given <= {"contents: read"}, "only the jobs that publish may do more than read"
    else:
        assert "uses: actions/checkout@" not in job.text, "a job that may write runs nothing of the tree"
        assert not re.search(r"\b(python|make|npm)", "\n".join(scripts(job.text)))
    assert "\n    timeout-minutes: " in job.text or "uses: ./" in job.text, f"{job.name} needs timeout-minutes"
    kept = job.text.count("actions/checkout@") - job.text.count("persist-credentials: false")
    assert kept == 0, "each checkout needs persist-credentials: false"


def test_nothing_but_a_tag_publishes() -> None:
    """The release begins at a tag alone, and its files are those that the tests were given."""
    release = TEXTS["release.yaml"]
    assert re.search(r'^on:\n  push:\n    tags: \["v\*"\]\npermissions', release, flags=re.MULTILINE)
    assert not re.search(r"^ *tags:", TEXTS["ci.yaml"] + TEXTS["e2e.yaml"], flags=re.MULTILINE)
    assert "make dist" not in release
    assert "project.is_published()" in release
    named = set(re.findall(r"name: (release|docs)\n", release))
    uploads = re.findall(r"upload-artifact@.*\n +with:\n +name: (\w+)", TEXTS["ci.yaml"])
    assert named == {"release", "docs"} <= set(uploads)


def test_no_expression_reaches_a_shell() -> None:
    """Values come to a shell by its environment: an expression would be read as part of the command."""
    found = [script for listed in SCRIPTS.values() for script in listed if "${{" in script]
    assert found == [], "give the value to the step's env, and use the variable"


def test_no_secret_is_printed() -> None:
    """A secret is handed to a program by its environment; no command names the variable that holds it."""
    for name, text in TEXTS.items():
        lines = [line for line in text.splitlines() if re.search(r"^[^#]*(?:\bsecrets\b|github\.token)", line)]
        held = [re.fullmatch(r" +(\w+): \$\{\{ (?:secrets\.\w+|github\.token)( != '')? \}\}", line) for line in lines]
        loose = [line for line, found in zip(lines, held, strict=True) if not found]
        assert loose == [], "give a secret to a step's env, on a line of its own"
        secret = {found[1] for found in filter(None, held) if not found[2]}
        named = [one for one in secret for script in SCRIPTS[name] if one in script]
        assert named == [], "a program reads it from its environment: no command may name it"
    assert not re.search(r"\b(echo|printf|cat|printenv)\b.*PLEX_CLAIM|set -x", COMMANDS)


def test_what_make_is_asked_for_exists() -> None:
    """Every make target of a workflow is in the Makefile, and is handed its job's Python."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    calls = re.findall(r"^ *(?:\w+=\S+ )*make (.+)", COMMANDS, flags=re.MULTILINE)
    assert len(calls) > 8
    for call in calls:
        words = call.split()
        asked = {word for word in words if "=" not in word}
        assert asked <= targets, call
        assert asked <= WITHOUT_PYTHON or re.fullmatch(r"PY=python(3(\.\d+)?)?", words[-1]), call


def test_what_python_is_asked_for_exists() -> None:
    """Every module and every path of tests that a workflow names exists."""
    modules = set(re.findall(r"\s-m ([\w.]+)", COMMANDS)) - TOOLS
    assert {"tests.e2e", "tests.tools.count_tests", "tests.windows"} <= modules
    places = [ROOT.joinpath(*name.split(".")) for name in modules]
    assert [
        place for place in places if not (place.with_suffix(".py").is_file() or (place / "__main__.py").is_file())
    ] == []
    paths = re.findall(r"\btests/\w[\w/]*(?:\.py)?", COMMANDS)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("job", [job for job in JOBS if job.workflow == "ci.yaml"], ids=lambda job: job.name)
def test_tests_are_counted(job: Job) -> None:
    """A job that runs tests counts them: a run that ends early with status 0 must not pass."""
    runs = len(re.findall(r"-m pytest|\bmake (?:test|coverage)\b", "\n".join(scripts(job.text))))
    assert job.text.count("tests.tools.count_tests report.xml") == runs


def test_the_built_plugin_is_tested() -> None:
    """All tests but those that measure coverage run the unpacked zip that the first job built."""
    for job in JOBS:
        if job.workflow == "ci.yaml" and "make test" in job.text:
            assert "needs: dist\n" in job.text
            assert '--extract dist/PlexSync.zip "$RUNNER_TEMP/plugin"' in job.text
            assert 'PLEXSYNC_TEST_PLUGIN=$RUNNER_TEMP/plugin/PlexSync.py" >> "$GITHUB_ENV"' in job.text


def test_dependabot_looks_at_what_is_there() -> None:
    """Each entry's folder holds a file of its kind."""
    text = (FOLDER / "dependabot.yaml").read_text("utf-8")
    entries = re.findall(r"package-ecosystem: (\S+)\n    directory: /(\S*)\n", text)
    files = {"github-actions": ".github/workflows/ci.yaml", "pip": "requirements.txt", "npm": "package-lock.json"}
    assert [kind for kind, _ in entries] == list(files)
    assert [kind for kind, folder in entries if not (ROOT / folder / files[kind]).is_file()] == []
