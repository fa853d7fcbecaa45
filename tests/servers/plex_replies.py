"""Replies of the Plex test server that are no answers: error pages, maintenance, a proxy's work. Pure."""

from __future__ import annotations

import json
from http import HTTPStatus

from tests.servers.plex_http import Reply

_BUSY = "This server is being started."


def html(status: int) -> Reply:
    """A small page that names the status; for 200 somebody's login page."""
    try:
        phrase = HTTPStatus(status).phrase if status != 200 else "Sign in"
    except ValueError:
        phrase = "Unknown"
    text = f"<html><head><title>{phrase}</title></head><body><h1>{status} {phrase}</h1></body></html>"
    return Reply(status, text.encode())


def fault_reply(kind: str, real: Reply, target: str) -> Reply:
    """What a fault sends. ``real`` is the true answer, used by those that spoil it; ``target`` is a redirect's."""
    if kind == "503_xml":
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response code="503" title="Maintenance" status="{_BUSY}"/>'
        return Reply(503, text.encode(), "text/xml;charset=utf-8")
    if kind == "503_json":
        told = {"code": 503, "title": "Maintenance", "status": _BUSY}
        return Reply(503, json.dumps(told).encode(), "application/json")
    if kind == "429":
        return Reply(429, html(429).body, headers=(("Retry-After", "1"),))
    if kind.removesuffix("_proxy").isdigit():
        status = int(kind.removesuffix("_proxy"))
        return Reply(status, html(status).body, by_proxy=kind.endswith("_proxy") or status in (502, 504))
    if kind.startswith("redirect_"):
        return Reply(int(kind[-3:]), b"", headers=(("Location", target),), by_proxy=True)
    if kind == "empty_container":
        return empty_container(real)
    if kind == "reset":
        return Reply(ending="reset")
    if kind == "reset_mid_body":
        return Reply(real.status, real.body, real.content_type, real.headers, "cut")
    if kind == "truncated_xml":
        body = real.body or b"<MediaContainer size='1'><Video "
        return Reply(real.status, body[: -(len(body) // 2)], real.content_type, real.headers)
    return Reply(200, html(200).body, by_proxy=True) if kind == "html_200" else Reply()


def empty_container(real: Reply) -> Reply:
    """An answer without a row, in the format of the true one."""
    if real.content_type == "application/json":
        return Reply(200, b'{"MediaContainer":{"size":0,"totalSize":0}}', real.content_type)
    return Reply(200, b'<?xml version="1.0"?>\n<MediaContainer size="0" totalSize="0"/>', real.content_type)
