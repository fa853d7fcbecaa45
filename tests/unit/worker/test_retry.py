"""What becomes of a job after each kind of failure: decisions without a server."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexsync.core.environment import horizon
from plexsync.model.errors import (
    Invalid,
    ItemGone,
    LocalError,
    LowConfidence,
    NotInPlex,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Rejected,
    SetupError,
    StashUnavailable,
)
from plexsync.queue.worker_queue import Job, Settlement
from plexsync.worker.retry import Delays, backoff, decide

NOW = 1_000_000.0
DAY = 86_400.0
DELAYS = Delays()


class Steady(random.Random):
    """Randomness that always returns the same point of a range: 0 its beginning, 1 its end."""

    def __init__(self, point: float) -> None:
        super().__init__()
        self.point = point

    def uniform(self, a: float, b: float) -> float:
        """Return that point between ``a`` and ``b``."""
        return a + (b - a) * self.point


def tried(attempts: int = 0, waiting: float | None = None) -> Job:
    """Return a scene's job with ``attempts``, whose file Plex has lacked since ``waiting``."""
    return Job(row=1, kind="scene", id=5, generation=1, attempts=attempts, waiting=waiting)


def made(
    error: Exception,
    job: Job | None = None,
    *,
    now: float = NOW,
    point: float = 1.0,
    delays: Delays = DELAYS,
    max_retries: int = 8,
) -> Settlement:
    """Return the decision, with the longest delay unless ``point`` says otherwise."""
    return decide(error, job or tried(), now=now, rng=Steady(point), delays=delays, max_retries=max_retries)


@pytest.mark.parametrize(
    ("error", "attempts", "to", "outcome", "reason", "counted"),
    [
        (PlexBusy("Busy.", status=500), 0, "later", "retried", None, 1),
        (PlexBusy("Busy.", status=429), 6, "later", "retried", None, 7),
        (PlexBusy("Busy.", status=500), 7, "dead", "dead", "retries_exhausted", 8),
        (ItemGone("Gone."), 0, "later", "retried", None, 1),
        (ItemGone("Gone."), 7, "dead", "dead", "retries_exhausted", 8),
        (Rejected("No.", status=400), 0, "dead", "dead", "rejected", 1),
        (LowConfidence("Two.", [{"rating_key": 5}]), 3, "dead", "dead", "low_confidence", 3),
        (NotInPlex("Nowhere."), 3, "later", "waiting", None, 3),
        (ValueError("our bug"), 0, "later", "retried", None, 1),
        (ValueError("our bug"), 7, "dead", "dead", "retries_exhausted", 8),
    ],
)
def test_each_error_has_its_decision(
    error: Exception, attempts: int, to: str, outcome: str, reason: str | None, counted: int
) -> None:
    """A passing failure costs an attempt, what only a person can fix is dead at once, a missing file waits."""
    decision = made(error, tried(attempts))
    assert (decision.to, decision.outcome, decision.reason, decision.attempts) == (to, outcome, reason, counted)
    assert str(error).rstrip(".") in str(decision.message)
    assert (decision.waiting is not None) == (outcome == "waiting")


@pytest.mark.parametrize(
    ("error", "dead"),
    [
        (Invalid("No file."), Settlement(tried(7), "dead", "dead", 0.0, 7, None, "invalid", "No file.")),
        (Rejected("No.", status=400), Settlement(tried(7), "dead", "dead", 0.0, 8, None, "rejected", "No.")),
        (
            LowConfidence("Two.", [{"rating_key": 5}]),
            Settlement(tried(7), "dead", "dead", 0.0, 7, None, "low_confidence", "Two.", ({"rating_key": 5},)),
        ),
        (
            PlexBusy("Plex is busy: MUX."),
            Settlement(
                tried(7), "dead", "dead", 0.0, 8, None, "retries_exhausted",
                "Plex is busy: MUX. Edit the scene or run Process DLQ to try again.",
            ),
        ),
        (
            ValueError("MUX"),
            Settlement(
                tried(7), "dead", "dead", 0.0, 8, None, "retries_exhausted",
                "MUX. Edit the scene or run Process DLQ to try again.",
            ),
        ),
    ],
)  # fmt: skip
def test_a_dead_letter_as_a_whole(error: Exception, dead: Settlement) -> None:
    """It is of the job that failed, counts its attempts, and has the error's own sentence."""
    assert made(error, tried(7)) == dead


def test_a_missing_file_given_up_as_a_whole() -> None:
    """The dead letter of a file that never came has the error's own sentence and no attempt more."""
    job = tried(3, NOW - 8 * DAY)
    assert made(NotInPlex("Nowhere."), job) == Settlement(job, "dead", "dead", 0.0, 3, None, "not_in_plex", "Nowhere.")


def test_candidates_travel_with_the_dead_letter() -> None:
    """The dead letter of a low-confidence match lists the candidates."""
    error = LowConfidence("Two items.", [{"rating_key": 5}, {"rating_key": 6}])
    assert made(error).candidates == ({"rating_key": 5}, {"rating_key": 6})
    assert made(LowConfidence("None at all.")).candidates == ()
    assert made(PlexBusy("Busy.")).candidates == ()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PlexBusy("Plex could not answer now (500)."), "Plex could not answer now (500). Edit"),
        (ValueError("bad"), "bad. Edit"),
        (ValueError(), "ValueError. Edit"),
    ],
)
def test_the_last_failure_says_what_to_do(error: Exception, said: str) -> None:
    """A dead letter's message is a sentence with one full stop, and the next step."""
    message = str(made(error, max_retries=1).message)
    assert message.startswith(said)
    assert message.endswith("Process DLQ to try again.")


@pytest.mark.parametrize("max_retries", [1, 2, 8, 100])
def test_max_retries_counts_attempts(max_retries: int) -> None:
    """With ``maxRetries`` n the n-th failed attempt is the last one."""
    tries, job = 0, tried()
    while True:
        decision = made(PlexBusy("Busy."), job, max_retries=max_retries)
        tries += 1
        if decision.to == "dead":
            break
        job = tried(decision.attempts, decision.waiting)
    assert tries == max_retries


@pytest.mark.parametrize(
    ("attempts", "top"), [(1, 5), (2, 10), (3, 20), (4, 40), (6, 160), (7, 300), (8, 300), (5000, 300)]
)
def test_full_jitter_lies_between_nothing_and_the_doubled_base(attempts: int, top: float) -> None:
    """The delay is drawn between 0 and the base doubled with each attempt, at most the cap."""
    assert backoff(attempts, Steady(0.0), DELAYS) == 0
    assert backoff(attempts, Steady(0.5), DELAYS) == top / 2
    assert backoff(attempts, Steady(1.0), DELAYS) == top


def test_jitter_spreads() -> None:
    """Jobs that failed together are not retried together."""
    rng = random.Random(7)
    drawn = [backoff(3, rng, DELAYS) for _ in range(200)]
    assert len(set(drawn)) == 200
    assert min(drawn) < 2
    assert max(drawn) > 18


def test_the_due_time_is_the_delay_from_now() -> None:
    """A retried job is due after the delay, counted from the failure."""
    assert made(PlexBusy("Busy."), tried(2)).due == NOW + 20
    assert made(PlexBusy("Busy."), tried(2), point=0.0).due == NOW


def test_a_waiting_job_that_fails_otherwise_goes_on_waiting() -> None:
    """A busy Plex does not reset since when the file has been missing."""
    assert made(PlexBusy("Busy."), tried(0, NOW - 50)).waiting == NOW - 50


@pytest.mark.parametrize(
    ("asked", "point", "delay"),
    [(None, 0.0, 0), (17.0, 0.0, 17), (3.0, 1.0, 5), (0.0, 1.0, 5), (4000.0, 0.0, 300), (-5.0, 0.0, 0)],
)
def test_retry_after_is_honoured(asked: float | None, point: float, delay: float) -> None:
    """Plex is not asked before the time that it named, up to the cap."""
    assert made(PlexBusy("Busy.", status=429, retry_after=asked), point=point).due == NOW + delay


def test_retry_after_survives_a_cap_of_zero() -> None:
    """Without any backoff, a Retry-After still gives Plex a second."""
    assert made(PlexBusy("Busy.", retry_after=30.0), delays=Delays(base=0, cap=0)).due == NOW + 1


def test_a_vanished_item_is_matched_again_at_once() -> None:
    """The first time the item is matched again at once; the second time the usual delay applies."""
    assert made(ItemGone("Gone.")).due == NOW
    assert made(ItemGone("Gone."), tried(1)).due == NOW + 10


@pytest.mark.parametrize(
    ("waited", "delay"),
    [(None, 30), (0, 30), (29, 30), (45, 45), (100, 100), (3000, 3000), (4000, 3600), (6 * DAY, 3600)],
)
def test_a_missing_file_waits_on_a_separate_schedule(waited: float | None, delay: float) -> None:
    """It waits about as long again as it has waited, at least three quarters of that; no attempt is used."""
    since = None if waited is None else NOW - waited
    decision = made(NotInPlex("Nowhere."), tried(2, since))
    assert NOW + 0.75 * delay <= decision.due <= NOW + delay
    assert (decision.outcome, decision.attempts, decision.waiting) == ("waiting", 2, NOW if since is None else since)


@given(st.floats(0.001, 3600), st.floats(0, 1))
def test_what_waits_about_as_long_is_due_together(base: float, offset: float) -> None:
    """Whatever the delay, jobs that fail within an eighth of it share one of at most two due times."""
    delays = Delays(missing_base=base, missing_cap=base)
    begin = NOW + offset * base
    dues = {
        decide(
            NotInPlex("Nowhere."), tried(), now=begin + part * base / 80, rng=Steady(1), delays=delays, max_retries=8
        ).due
        for part in range(11)
    }
    assert len(dues) <= 2
    assert all(begin + 0.74 * base <= due <= begin + 1.126 * base for due in dues)


@pytest.mark.parametrize(
    ("waited", "to"), [(None, "later"), (7 * DAY - 1, "later"), (7 * DAY, "dead"), (70 * DAY, "dead")]
)
def test_it_gives_up_only_with_an_attempt_that_fails_afterwards(waited: float | None, to: str) -> None:
    """It gives up only when an attempt fails a week after the first one."""
    decision = made(NotInPlex("Nowhere."), tried(1, None if waited is None else NOW - waited))
    assert decision.to == to
    assert decision.reason == (None if to == "later" else "not_in_plex")


def test_the_whole_wait_ends_after_a_week() -> None:
    """A scene that never arrives is tried for a week, at least hourly, and is dead after that."""
    now, job, tries = NOW, tried(), 0
    while True:
        decision = made(NotInPlex("Nowhere."), job, now=now)
        tries += 1
        if decision.to == "dead":
            break
        assert decision.due - now <= 3600
        now, job = decision.due, tried(decision.attempts, decision.waiting)
    assert 7 * DAY <= now - NOW <= 7 * DAY + 3600
    assert 168 <= tries <= 200


def test_giving_up_at_once_means_at_once() -> None:
    """With a give-up time of zero a scene is dead after the first failed attempt."""
    decision = made(NotInPlex("Nowhere."), delays=Delays(give_up=0.0))
    assert (decision.to, decision.reason) == ("dead", "not_in_plex")


def test_a_clock_set_back_begins_the_wait_anew() -> None:
    """A wait that begins in the future was dated by a wrong clock: it begins now."""
    decision = made(NotInPlex("Nowhere."), tried(0, NOW + 3600))
    assert (decision.to, decision.waiting, decision.due) == ("later", NOW, NOW + 28)


def test_delays_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each duration of the contract about retries is read, or has its default."""
    for name in ("RETRY_BASE", "RETRY_CAP", "MISSING_BASE", "MISSING_CAP", "MISSING_GIVE_UP"):
        monkeypatch.delenv(f"PLEXSYNC_{name}", raising=False)
    assert Delays.from_environment() == DELAYS
    assert Delays(5, 300, 30, 3600, 604_800) == DELAYS
    monkeypatch.setenv("PLEXSYNC_RETRY_CAP", "7")
    monkeypatch.setenv("PLEXSYNC_MISSING_GIVE_UP", "0")
    assert Delays.from_environment() == Delays(cap=7, give_up=0)


ERRORS = st.sampled_from(
    [NotInPlex("n"), LowConfidence("l"), Rejected("r", status=400), ItemGone("g"), PlexBusy("b"), ValueError("v")]
) | st.floats(0, 1e9).map(lambda asked: PlexBusy("b", status=429, retry_after=asked))


@settings(deadline=None, max_examples=300)
@given(ERRORS, st.integers(0, 10_000), st.none() | st.floats(0, 2e6), st.integers(1, 100), st.floats(0, 1))
def test_every_delay_stays_within_what_counts_as_honest(
    error: Exception, attempts: int, waiting: float | None, max_retries: int, point: float
) -> None:
    """No due time is in the past, nor so far off that it would count as a wrong clock's."""
    decision = made(error, tried(attempts, waiting), point=point, max_retries=max_retries)
    assert decision.to in ("later", "dead")
    assert (decision.reason is None) == (decision.to == "later")
    if decision.to == "later":
        assert NOW <= decision.due <= NOW + horizon()


@pytest.mark.parametrize(
    "error",
    [
        PlexUnavailable("a"),
        PlexBusy("a", status=503, retry_after=2.0),
        Rejected("a", status=400),
        ItemGone("a"),
        NotInPlex("a"),
        LowConfidence("a", [{"rating_key": 1}]),
        SetupError("a"),
        StashUnavailable("a", refused=True),
        LocalError("a"),
    ],
)
def test_every_error_is_ours_and_its_message_a_sentence(error: PlexSyncError) -> None:
    """All errors have one base class; the text is the message alone, other facts are attributes."""
    assert isinstance(error, PlexSyncError)
    assert str(error) == "a"
    known = {name: value for name, value in vars(error).items() if value is not None}
    expected: dict[type, dict[str, object]] = {
        PlexBusy: {"status": 503, "retry_after": 2.0, "timed_out": False},
        Rejected: {"status": 400, "by_plex": True, "known": False},
        LowConfidence: {"candidates": ({"rating_key": 1},)},
        StashUnavailable: {"refused": True},
    }
    assert known == expected.get(type(error), {})
