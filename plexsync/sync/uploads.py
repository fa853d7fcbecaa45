"""Upload the images of a batch, after its fields: each image is judged alone, and locked only where it arrived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from plexsync.log import Log
from plexsync.model.errors import (
    ItemGone,
    KindPaused,
    PlexBusy,
    PlexSyncError,
    PlexUnavailable,
    Refused,
    Rejected,
    StashUnavailable,
)
from plexsync.model.fields import field_names, skip_switches
from plexsync.plex.client import Element
from plexsync.plex.images import image_digest
from plexsync.queue.jobs import RETRY
from plexsync.queue.worker_queue import Job
from plexsync.state.gates import EDIT, UPLOAD
from plexsync.sync import covers, refused
from plexsync.sync.opinions import Opinions, as_busy, asks_to_wait, is_lasting
from plexsync.sync.planner import Planner
from plexsync.sync.reading import IMPATIENT
from plexsync.sync.work import Cover, Work


class Uploads:
    """Uploads the covers of one batch. ``makes_way``: see ``Writer``."""

    def __init__(self, planner: Planner, log: Log, opinions: Opinions, makes_way: Callable[[Job, int], bool]) -> None:
        self._planner = planner
        self._log = log
        self._kinds = planner.kinds
        self._opinions = opinions
        self._makes_way = makes_way
        self._timed_out = False

    def send(self, works: Sequence[Work]) -> None:
        """Upload the covers of these works. Raise ``PlexUnavailable`` or ``SetupError``."""
        tried: list[tuple[Work, Cover]] = []
        for work in works:
            cover = work.cover
            if cover is None or isinstance(work.error, ItemGone):
                continue
            if self._makes_way(work.job, len(tried)):
                work.postponed = True
            elif self._kinds.is_paused(EDIT) or not self._kinds.admits(UPLOAD, work.job):
                kind = EDIT if self._kinds.is_paused(EDIT) else UPLOAD
                work.fail(self._kinds.held(kind, work.job))
            else:
                self._upload(work, cover)
                tried.append((work, cover))
            cover.data = None
        for work, cover in tried:
            self._judge(work, cover)
        for work in works:
            if work.cover is not None and not work.postponed:
                self._match_locks(work, work.cover)

    def _upload(self, work: Work, cover: Cover) -> None:
        scene_id = work.target.scene.id
        try:
            data = cover.data if cover.data is not None else self._fetch_again(scene_id, cover)
        except StashUnavailable as error:
            work.fail(no_cover(scene_id, error))
            return
        for element in cover.elements:
            if not self._kinds.admits(UPLOAD, work.job):
                cover.failures[element] = self._kinds.held(UPLOAD, work.job)
                continue
            try:
                self._upload_to(work, element, data, cover)
                self._kinds.succeeded(UPLOAD)
            except ItemGone as error:
                if self._opinions.is_gone(work):
                    work.fail(error)
                    return
                self._failed(work, cover, element, PlexBusy("Plex answered 404, though it has the item.", status=404))
            except (PlexBusy, Rejected, Refused, PlexUnavailable) as error:
                self._failed(work, cover, element, error)

    def _failed(self, work: Work, cover: Cover, element: Element, error: PlexSyncError) -> None:
        cover.failures[element] = as_busy(error)
        self._timed_out |= isinstance(error, PlexBusy) and error.timed_out
        self._opinions.probe_if_first(UPLOAD, work.job, error)
        if self._kinds.is_in_doubt(UPLOAD):
            self._opinions.ask(UPLOAD, work, error)

    def _upload_to(self, work: Work, element: Element, data: bytes, cover: Cover) -> None:
        client, key = self._planner.client, work.target.item.rating_key
        if element in cover.unknown:
            image = covers.images(work.record)[element]
            shown = covers.mark(work.target, image, cover.sha1, client.pictures(key, element))
            if shown != covers.LOST:
                work.record = covers.with_image(work.record, element, replace(image, mark=shown))
                (cover.chosen if shown == covers.CHOSEN else cover.arrived).add(element)
                return
        patience = IMPATIENT if self._timed_out or work.job.priority == RETRY else None
        client.upload(key, element, data, cover.kind, seconds=patience)
        work.record = covers.uploaded(work.record, element, cover.sha1)
        work.uploaded = True
        cover.arrived.add(element)

    def _fetch_again(self, scene_id: int, cover: Cover) -> bytes:
        data = self._planner.stash.cover(scene_id).data
        if image_digest(data) != cover.sha1:
            raise StashUnavailable("it changed while the batch was being written")
        cover.size = len(data)
        return data

    # -- judging

    def _judge(self, work: Work, cover: Cover) -> None:
        """Note how the upload ended: done, refused, to be tried again, or waiting for Plex to take images at all."""
        refusals: dict[Element, PlexSyncError] = {}
        for element, error in cover.failures.items():
            asked = None if self._kinds.is_witnessed(UPLOAD, work.job) else asks_to_wait(error, work.job)
            if isinstance(error, KindPaused):
                work.fail(error)
            elif asked is not None:
                work.fail(asked)
            elif not self._opinions.is_items_fault(UPLOAD, work, error):
                held = self._kinds.held(UPLOAD, work.job)
                held.tried = True
                work.fail(held)
            elif not isinstance(error, PlexBusy) or is_lasting(error, work.job):
                refusals[element] = error
            else:
                work.fail(error)
        refused.forget(work, [covers.LOCKS[element] for element in cover.arrived])
        if refusals:
            rejection = _rejection(work.target.scene.id, cover, refusals)
            refused.remember(work, [(covers.LOCKS[one], cover.sha1) for one in refusals], str(rejection))
            work.fail(rejection)
        if cover.arrived | cover.chosen | refusals.keys() == set(cover.elements):
            work.record = replace(covers.withdrawn(work.record, refusals), cover_stamp=cover.stamp)

    # -- locks

    def _match_locks(self, work: Work, cover: Cover) -> None:
        """Lock what arrived and is not locked yet; release a lock that went with the edit of an image that did not."""
        item = work.target.item
        mine = {covers.LOCKS[element]: element for element in cover.elements}
        locked = (item.locked | work.locked) & mine.keys()
        arrived = {covers.LOCKS[element] for element in cover.arrived}
        wrong = dict.fromkeys(arrived - locked - set(work.rejected), "1")
        wrong |= dict.fromkeys((work.locked & mine.keys()) - arrived, "0")
        if not wrong or isinstance(work.error, ItemGone):
            return
        try:
            params = tuple((f"{name}.locked", value) for name, value in sorted(wrong.items()))
            self._planner.client.put(item.section, item.rating_key, params)
        except (PlexBusy, Rejected, Refused, PlexUnavailable, ItemGone) as error:
            self._log.debug("failed to lock the images of scene", scene=work.target.scene.id, why=str(error))
            work.fail(PlexBusy(f"The images of scene {work.target.scene.id} could not be locked: {error}"))
        else:
            work.sent = True
            self._kinds.succeeded(EDIT)


def no_cover(scene_id: int, why: object) -> PlexBusy:
    """Return the error of a cover that could not be fetched for now: like a busy Plex, it is worth a retry."""
    return PlexBusy(f"The cover of scene {scene_id} could not be fetched: {why}")


def _rejection(scene_id: int, cover: Cover, refusals: dict[Element, PlexSyncError]) -> Rejected:
    """Return the error that names the refused images, their type and size, and the status."""
    error = next(iter(refusals.values()))
    names = [covers.LOCKS[element] for element in refusals]
    status = int(getattr(error, "status", None) or 0)
    return Rejected(
        f"Plex rejected the cover of scene {scene_id} as {field_names(names)} ({cover.kind}, {size(cover.size)};"
        f" status {status}), though it takes other images.{_cause(error, status)} Replace it in Stash, or turn on"
        f" {skip_switches(names)}.",
        status=status or 500,
    )


def _cause(error: PlexSyncError, status: int) -> str:
    if status == 413:
        who = "Plex" if isinstance(error, Rejected) and error.by_plex else "A proxy in front of Plex"
        return f" {who} limits the size of a request (nginx: client_max_body_size)."
    if isinstance(error, Refused):
        return " Something between PlexSync and Plex, a proxy or firewall, refused it."
    return ""


def size(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
