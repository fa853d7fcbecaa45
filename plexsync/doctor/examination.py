"""One examination: find the item, keep how it is, ask the questions, put everything back whatever happens.

The caller holds the worker's lock. Words for the person go to ``say``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from plexsync.app import App
from plexsync.doctor import saved
from plexsync.doctor.catalogue import NOT_ASKED, Question, questions
from plexsync.doctor.desk import Desk, Unanswered, why
from plexsync.doctor.saved import Saved
from plexsync.matching import Candidate, confirm
from plexsync.model.errors import ItemGone, PlexBusy, PlexSyncError, PlexUnavailable, Refused, Rejected
from plexsync.model.item import Item
from plexsync.model.scene import Scene
from plexsync.model.settings import require_setup
from plexsync.plex.errors import REFUSED_TOKEN, token_sentence
from plexsync.plex.images import check_cover, media_type

Say = Callable[[str], object]

#: Seconds between two looks at an item while Plex may still carry out what it was sent.
NEXT_LOOK = 1.0
#: Seconds after which no further question is asked: this Plex is too slow to keep an item changed for that long.
MOST_SECONDS = 300.0
#: What to run when the item is not as it was.
AGAIN = "Run: python3 PlexSync.py doctor --put-back"
OR_FORGET = "To give it up for good, run: python3 PlexSync.py doctor --forget"


@dataclass(frozen=True, slots=True)
class Found:
    """The scene that was picked, and the one item that certainly holds its file."""

    scene: Scene
    candidate: Candidate
    item: Item


@dataclass(frozen=True, slots=True)
class Row:
    """One question with its answer, and what that means for PlexSync."""

    number: str
    asks: str
    answer: str
    means: str


class NotPutBack(PlexSyncError):
    """The item is not as it was. The text says what to do."""


def find(app: App, scene_id: int) -> Found:
    """Return the scene's one certain item, read in full. Raise ``PlexSyncError`` with a sentence if there is none."""
    settings = app.load_settings()
    require_setup(settings)
    if settings.dry_run:
        raise PlexSyncError("Dry run is on, so nothing may be written to Plex. Turn it off in the settings first.")
    scene = app.stash.batch([scene_id]).scenes.get(scene_id)
    if scene is None:
        raise PlexSyncError(f"Stash has no scene {scene_id}. Its address in Stash ends in its id.")
    planner = app.connect_plex()
    planner.refresh(missing=True)
    match = planner.match([scene])[scene_id]
    if match.verdict != "high":
        why_not = match.reason or "Plex has no item with its file."
        raise PlexSyncError(f"It is not certain which item scene {scene_id} is, so nothing is written. {why_not}")
    if len(match.items) != 1:
        several = f"Scene {scene_id} has {len(match.items)} items in Plex. Pick a scene that has one."
        raise PlexSyncError(several)
    candidate = match.items[0]
    item = planner.read([candidate]).get(candidate.rating_key)
    if item is None or not confirm(candidate, item) or not saved_path(candidate, item):
        raise PlexSyncError(f"The item of scene {scene_id} is gone, or holds another file now. Run it again later.")
    return Found(scene, candidate, item)


def saved_path(candidate: Candidate, item: Item) -> bool:
    """Return whether the item holds the very file by which it was found; of a chosen one, any may do for syncing."""
    return any(part.path == candidate.part.path for part in item.parts)


def word(app: App) -> str:
    """Return eight letters or digits that make the doctor's tags its own."""
    return f"{app.world.rng.getrandbits(32):08x}"


def plan(found: Found, *, risky: bool) -> list[str]:
    """Return what an examination would do, for the person's own screen: it names the item."""
    number = sum(not question.risky or risky for question in questions(lambda: (b"", "")))
    item = f"{found.item.title!r} (item {found.item.rating_key})"
    return [
        f"This would ask Plex {number} questions about {item}, the one item of scene {found.scene.id}.",
        "For about a minute the item would have other titles, dates, tags and actors; its poster would be uploaded",
        "again, and its folder be scanned. Then everything is put back.",
        "Nothing was written. Add --i-mean-it to do it.",
    ]


# -- putting back what an earlier call left


def earlier(folder: str, say: Say) -> Saved | None:
    """Return how the item was that an earlier call left, None if it left none. A damaged file is set aside.

    Raise ``OSError``.
    """
    try:
        return saved.kept(folder)
    except ValueError:
        name = saved.set_aside(folder)
        say(
            "The doctor's file is damaged, so what an earlier examination left in Plex cannot be put back. Look for "
            f"items with 'PlexSync doctor' in Plex. The file is kept as {name}."
        )
        return None


def put_back_earlier(app: App, folder: str, say: Say) -> int:
    """Put back what an earlier call left, if anything; return the item's rating key, 0 if there was none.

    Dry run does not hold that up: it only takes away what the doctor wrote. Raise ``NotPutBack`` or what concerns Plex.
    """
    before = earlier(folder, say)
    if before is None:
        return 0
    say(f"An earlier examination was ended before it was over. Item {before.rating_key} is to be put back.")
    require_setup(app.load_settings())
    if app.client.identity.machine != before.machine:
        raise NotPutBack(
            f"Item {before.rating_key} is on another Plex server than the one in the settings. Set that one again, and "
            f"run this again. {OR_FORGET}"
        )
    finish(_desk(app, folder, before, saved.noted_end(folder)), folder, say)
    return before.rating_key


def forget(folder: str, say: Say) -> None:
    """Give up putting back what an earlier call left, and say what is given up. Raise ``OSError``."""
    before = earlier(folder, say)
    if before is None:
        return
    say(f"Given up: item {before.rating_key} of scene {before.scene} may still be as the doctor left it. It was:")
    for line in saved.told(before, saved.all_names(before)):
        say(f"  {line}")
    saved.discard(folder)


def finish(desk: Desk, folder: str, say: Say) -> None:
    """Put the item back and look whether it is as it was; then forget how it was. Raise ``NotPutBack`` if it is not.

    Whoever ends the process meanwhile waits until that is done.
    """
    try:
        _finish(desk, folder, say)
    except BaseException as error:
        if isinstance(error, Exception):
            raise
        _finish(desk, folder, say)  # a second signal is ignored
        raise


def _finish(desk: Desk, folder: str, say: Say) -> None:
    desk.limit(False)
    say("Putting everything back ...")
    try:
        left = _put_back(desk, say)
    except ItemGone as error:
        text = f"{error} Nothing was written to it. How item {desk.before.rating_key} was is kept; once it is back, "
        raise NotPutBack(f"{text}{AGAIN[0].lower()}{AGAIN[1:]}. {OR_FORGET}") from None
    except PlexSyncError as error:
        raise NotPutBack(f"The item could not be put back yet: {error} {AGAIN}. {OR_FORGET}") from None
    if not left and not desk.rest:
        saved.discard(folder)
        say(_as_it_was(desk.before))
        return
    if left:
        say(f"Item {desk.before.rating_key} was before:")
    for line in saved.told(desk.before, left):
        say(f"  {line}")
    because = f" (it answered {desk.refusal})" if desk.refusal else ""
    raise NotPutBack(
        f"Plex has not put back: {', '.join(left) or 'what it did not answer'}{because}. {AGAIN}. {OR_FORGET}"
    )


def _put_back(desk: Desk, say: Say) -> tuple[str, ...]:
    """Put the item back until Plex can no longer carry out what it has not answered. Return what is not as it was."""
    left = desk.put_back()
    end = desk.clock() + desk.patience
    if desk.rest:
        say(f"Plex may still carry out what it was sent last. Looking again for {math.ceil(desk.rest)} s ...")
    while desk.rest and desk.clock() < end:
        desk.sleep(min(desk.rest, NEXT_LOOK))
        left = desk.put_back()
    return left


def _as_it_was(before: Saved) -> str:
    """Return what was compared and is as it was."""
    if saved.UNKNOWN in before.pictures.values():
        return (
            "Texts, lists (names, order, roles) and locks are as they were. Which picture was shown Plex does not tell."
        )
    return "Texts, lists (names, order, roles), locks and pictures are as they were."


# -- asking


def examine(app: App, folder: str, found: Found, say: Say, *, risky: bool, numbers: Collection[str] = ()) -> list[Row]:
    """Ask every question about the item and return the rows of the table. Put everything back, whatever ends it.

    ``numbers``: ask these questions alone.
    """
    candidate, machine, section = found.candidate, app.client.identity.machine, found.item.section
    empty = Saved(machine, section, candidate.rating_key, found.scene.id, candidate.part.path)
    desk = _desk(app, folder, empty)
    desk.before = saved.seen(empty, desk.video(), desk.pictures())
    _require_unmarked(desk.before)
    try:
        saved.store(folder, desk.before)
        asked = questions(lambda: _own_cover(app, found.scene))
        chosen = [question for question in asked if not numbers or question.number in numbers]
        end = app.world.clock() + MOST_SECONDS
        return [_row(desk, question, say, risky=risky, late=app.world.clock() > end) for question in chosen]
    finally:
        finish(desk, folder, say)


def _desk(app: App, folder: str, before: Saved, end: float = 0.0) -> Desk:
    """Return the item's desk. ``end``: until when Plex may carry out what an earlier call sent."""
    world, note = app.world, partial(saved.note_end, folder)
    return Desk(app.client, before, word(app), world.sleep, clock=world.clock, note=note, end=end)


def _require_unmarked(item: Saved) -> None:
    """Raise ``PlexSyncError`` if the item holds what a doctor wrote: that would be taken for what it was."""
    names = saved.marked(item)
    if names:
        raise PlexSyncError(
            f"Item {item.rating_key} holds what a doctor wrote ({', '.join(names)}), so nothing is written. If another "
            "Stash uses this Plex, wait until its doctor is done, or run doctor --put-back there (or with --data-dir "
            "and its data folder). Otherwise take 'PlexSync doctor' out of the item in Plex."
        )


def _row(desk: Desk, question: Question, say: Say, *, risky: bool, late: bool) -> Row:
    """Return a question with its answer; those that are not to be asked, or come too ``late``, with the reason."""
    say(f"{question.number}: {question.asks}")
    if question.risky and not risky:
        answer = f"{NOT_ASKED}only with --also-risky"
    else:
        answer = f"{NOT_ASKED}Plex is too slow" if late else _ask(desk, question)
    return Row(question.number, question.asks, answer, question.means(answer))


def _ask(desk: Desk, question: Question) -> str:
    """Ask one question and put back what it changed. Raise what makes going on useless."""
    desk.limit(True)
    try:
        return question.read(question.send(desk))
    except ItemGone:
        raise
    except (Unanswered, PlexBusy, Rejected, Refused) as error:
        if isinstance(error, Refused) and error.status in REFUSED_TOKEN and desk.client.session.writes <= 1:
            raise Refused(token_sentence(error.status), status=error.status) from None  # not even the first write
        return f"{NOT_ASKED}{why(error)}"
    finally:
        desk.limit(False)
        if desk.has_written:
            desk.put_back()


def _own_cover(app: App, scene: Scene) -> tuple[bytes, str]:
    """Return the cover that PlexSync would upload for the scene, and its type; nothing if it would upload none."""
    if "poster" in app.settings.skip:
        return b"", ""
    reply = app.stash.cover(scene.id)
    if check_cover(reply.data, reply.kind) is not None:
        return b"", ""
    return reply.data, media_type(reply.data, reply.kind)


#: Types of libraries and Plex's own agents. Others may bear a name that somebody gave them.
TYPES = ("movie", "show", "artist", "photo")
AGENTS = (
    *("tv.plex.agents.movie", "tv.plex.agents.series", "tv.plex.agents.music", "tv.plex.agents.none"),
    *("tv.plex.agents.custom", "com.plexapp.agents.imdb", "com.plexapp.agents.themoviedb", "com.plexapp.agents.none"),
)


def known(word: str, words: Collection[str]) -> str:
    """Return a word of Plex's if it is one of ``words``, ``another`` for what may be somebody's own."""
    return word if word in words else "another"


def describe(app: App, found: Found) -> dict[str, str]:
    """Return what the table says of the server and the library: known words and numbers alone."""
    identity, agent, kind = app.client.identity, "", ""
    unsaved = Saved(identity.machine, found.item.section, found.item.rating_key, 0, "")
    root = Desk(app.client, unsaved, "", app.world.sleep)
    try:
        library = root.library()
        agent, kind = library.get("agent", ""), library.get("type", "")
    except (PlexBusy, PlexUnavailable, Refused, Unanswered):
        pass
    custom = "tv.plex.agents.custom"
    return {
        "Plex": f"{identity.version} on {identity.platform}",
        "library": f"type {known(kind, TYPES)}, agent {known(custom if agent.startswith(custom) else agent, AGENTS)}",
    }
