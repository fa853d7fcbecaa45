"""The user's settings: one table of every key, and reading whatever Stash has saved for them.

Nothing here disables the plugin: what cannot be used becomes its default and one warning. Must not know HTTP.
No sentence made here contains the token, or an address that could contain one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from plexsync.model.errors import SetupError

DEFAULT_URL = "http://localhost:32400"
DEFAULT_PORT = 32400
DEFAULT_MAX_TAGS = 100
DEFAULT_MAX_RETRIES = 8
_WHERE = "Settings > Plugins > PlexSync"
_URL_FORM = f"the address of your Plex server like {DEFAULT_URL}"


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its key and type in Stash, its default as people read it, and what it does.

    ``help`` is the manifest's description, default and format first, at most 110 characters. ``highest``: of a number,
    whose lowest is 1.
    """

    name: str
    type: Literal["STRING", "NUMBER", "BOOLEAN"]
    default: str
    help: str
    highest: int = 0


def _switch(name: str, text: str) -> Key:
    return Key(name, "BOOLEAN", "off", f"Default off. {text}")


#: Source of a scene's stash ids (the endpoint's host; ``none``: it has no stash id) -> key of its tag's id.
TAG_KEYS = {
    "none": "tagID_emptystashid",
    "stashdb.org": "tagID_stashdb",
    "pmvstash.org": "tagID_pmvstash",
    "theporndb.net": "tagID_porndb",
    "fansdb.cc": "tagID_fansdb",
    "javstash.org": "tagID_javstash",
}
#: Member of ``Settings.skip`` -> key of its switch.
SKIP_KEYS = {
    name: f"skip{name.capitalize()}"
    for name in ("actors", "background", "collection", "date", "genres", "poster", "studio", "summary", "title")
}
KEYS = (
    Key("plexUrl", "STRING", DEFAULT_URL, f"Default {DEFAULT_URL}. Base URL of the Plex server."),
    Key("plexToken", "STRING", "-", "Required. Your X-Plex-Token; it travels in a header only."),
    Key("plexLibraries", "STRING", "", "Default all movie-type libraries. Library names, separated by commas."),
    Key("plexPathMap", "STRING", "", "Default none. stash prefix => plex prefix, several separated by semicolons."),
    _switch("plexSkipTlsVerify", "Accept any certificate from Plex."),
    Key("plexHost", "STRING", "-", "Of version 0.1; used only while plexUrl is empty. Use plexUrl instead."),
    Key("plexPort", "STRING", "-", "Of version 0.1; used only while plexUrl is empty. Use plexUrl instead."),
    _switch("matchLowConfidence", "Also write to low-confidence matches instead of leaving them for review."),
    _switch("missingIgnore", "A scene that is not in Plex is done instead of waited for."),
    _switch("missingScan", "Ask Plex to scan the folder of a scene that it does not have."),
    _switch("keepPlexEdits", "Leave a field alone that a person edited in Plex."),
    *(_switch(key, f"Do not sync the {name}.") for name, key in SKIP_KEYS.items()),
    _switch("skipUnorganized", "Sync only scenes that are marked organized."),
    _switch("cleanTitles", "Send titles transliterated to ASCII; Stash's own titles are not touched."),
    _switch("tagStashIDs", "Tag scenes in Stash by the source of their stash ids."),
    *(
        Key(key, "STRING", "", f"Default found or created by name. Tag id for stash ids of source {source}.")
        for source, key in TAG_KEYS.items()
    ),
    Key("maxTags", "NUMBER", str(DEFAULT_MAX_TAGS), f"Default {DEFAULT_MAX_TAGS}. At most this many genres.", 1000),
    Key(
        "maxRetries",
        "NUMBER",
        str(DEFAULT_MAX_RETRIES),
        f"Default {DEFAULT_MAX_RETRIES}. Attempts before a scene's own failure makes it a dead letter.",
        100,
    ),
    _switch("logDebug", "Log verbosely."),
    _switch("logHidePaths", "Replace paths, file names and titles in the log by stable pseudonyms."),
    _switch("dryRun", "Write nothing to Plex; the log says what would be written."),
)
_NO_TAGS = MappingProxyType(dict.fromkeys(TAG_KEYS, ""))
_SWITCH_WORDS = {
    **dict.fromkeys(("", "0", "0.0", "false", "no", "off"), False),
    **dict.fromkeys(("1", "1.0", "true", "yes", "on"), True),
}
_BY_NAME = {key.name: key for key in KEYS}


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, validated. A default value stands for what is not set.

    ``plex_url`` has no trailing slash and is ``""`` if ``url_problem`` says why; ``plex_token`` is ``""`` if it is not
    set, or ``token_problem`` says why it cannot be used. ``path_map``: pairs (stash prefix, plex prefix).
    ``stash_id_tags``: source (a key of ``TAG_KEYS``) -> tag id as text, ``""`` where none is set.
    """

    plex_url: str = DEFAULT_URL
    plex_token: str = field(default="", repr=False)
    libraries: tuple[str, ...] = ()
    path_map: tuple[tuple[str, str], ...] = ()
    skip_tls_verify: bool = False
    match_low_confidence: bool = False
    missing_ignore: bool = False
    missing_scan: bool = False
    keep_plex_edits: bool = False
    skip: frozenset[str] = frozenset()
    skip_unorganized: bool = False
    clean_titles: bool = False
    tag_stash_ids: bool = False
    stash_id_tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS, hash=False)
    max_tags: int = DEFAULT_MAX_TAGS
    max_retries: int = DEFAULT_MAX_RETRIES
    log_debug: bool = False
    log_hide_paths: bool = False
    dry_run: bool = False
    url_problem: str = ""
    token_problem: str = ""


def setup_problem(settings: Settings) -> str | None:
    """The sentence for the user when these settings alone keep PlexSync from working, else None."""
    if settings.token_problem or settings.url_problem:
        return settings.token_problem or settings.url_problem
    if not settings.plex_token:
        return f"PlexSync is paused: no Plex token is set. Paste your X-Plex-Token into {_WHERE} > plexToken."
    return None


def require_setup(settings: Settings) -> None:
    """Raise ``SetupError`` with the sentence when these settings alone keep PlexSync from working."""
    problem = setup_problem(settings)
    if problem:
        raise SetupError(problem, code="url" if settings.url_problem else "token")


def read_settings(raw: Mapping[str, object] | None) -> tuple[Settings, tuple[str, ...]]:
    """The settings that Stash has saved (``None``: none ever) and one sentence for each that could not be used.

    Never raises, whatever the map holds.
    """
    read = _Reader(raw if isinstance(raw, Mapping) else {})
    url, url_problem, any_certificate = _address(read)
    token, token_problem = _token(read)
    settings = Settings(
        plex_url=url,
        url_problem=url_problem,
        plex_token=token,
        token_problem=token_problem,
        libraries=_names(read.text("plexLibraries")),
        path_map=_path_map(read),
        skip_tls_verify=read.switch("plexSkipTlsVerify") or any_certificate,
        match_low_confidence=read.switch("matchLowConfidence"),
        missing_ignore=read.switch("missingIgnore"),
        missing_scan=read.switch("missingScan"),
        keep_plex_edits=read.switch("keepPlexEdits"),
        skip=frozenset(name for name, key in SKIP_KEYS.items() if read.switch(key)),
        skip_unorganized=read.switch("skipUnorganized"),
        clean_titles=read.switch("cleanTitles"),
        tag_stash_ids=read.switch("tagStashIDs"),
        stash_id_tags=MappingProxyType({source: _tag_id(read, key) for source, key in TAG_KEYS.items()}),
        max_tags=read.number("maxTags"),
        max_retries=read.number("maxRetries"),
        log_debug=read.switch("logDebug"),
        log_hide_paths=read.switch("logHidePaths"),
        dry_run=read.switch("dryRun"),
    )
    read.warn_of_unknown()
    return settings, tuple(read.warnings)


class _Reader:
    """Reads single values, liberal in types, and collects the warnings."""

    def __init__(self, raw: Mapping[str, object]) -> None:
        self.raw = raw
        self.warnings: list[str] = []
        token = raw.get("plexToken")
        self._secret = _plain(token).strip() if isinstance(token, (str, int, float)) else ""

    def switch(self, name: str) -> bool:
        value = self.raw.get(name, "")
        text = _plain(value).strip().lower() if isinstance(value, (str, int, float)) else value
        if text is None or (isinstance(text, str) and text in _SWITCH_WORDS):
            return text is not None and _SWITCH_WORDS[text]
        self.refuse(name, "on or off is accepted", "off is used")
        return False

    def number(self, name: str) -> int:
        key = _BY_NAME[name]
        default = int(key.default)
        value = self.raw.get(name)
        number = _whole(value)
        if number == 0:
            return default
        if number is not None and 1 <= number <= key.highest:
            return number
        self.refuse(name, f"a whole number from 1 to {key.highest} is accepted", f"the default {default} is used")
        return default

    def text(self, name: str) -> str:
        """The value without blanks around it; a whole number counts as text, 0 as not set."""
        value = self.raw.get(name, "")
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0):
            return ""
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and not _is_huge(value)):
            return str(value).strip()
        self.refuse(name, "a text is accepted", "it counts as not set")
        return ""

    def refuse(self, name: str, accepted: str, used: str) -> None:
        """One warning about the value of ``name``, which is shown unless it is the token."""
        shown = "not usable" if name == "plexToken" else self.shown(self.raw.get(name))
        self.warnings.append(f"Setting {name} is {shown}, but {accepted}: {used}.")

    def shown(self, value: object) -> str:
        """``value`` for a sentence: short, on one line, and not if it contains the token."""
        if not isinstance(value, (str, int, float)):
            return f"a {type(value).__name__}"
        text = _plain(value)
        if self._secret and self._secret in text:
            return "(hidden)"
        return ascii(text[:40] + "..." if len(text) > 40 else text) if isinstance(value, str) else text

    def warn_of_unknown(self) -> None:
        for name in self.raw:
            if name not in _BY_NAME:
                self.warnings.append(f"Setting {self.shown(name)} is unknown to this version of PlexSync and ignored.")


def _plain(value: str | float) -> str:
    """``value`` as text; a whole number of thousands of digits, which Python refuses to print, as words."""
    return "a huge number" if isinstance(value, int) and _is_huge(value) else str(value)


def _is_huge(value: int) -> bool:
    return value.bit_length() > 256


def _whole(value: object) -> int | None:
    """The whole number that ``value`` is or spells, 0 for nothing, None for anything else."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def _token(read: _Reader) -> tuple[str, str]:
    """The token, or ``""``, and the sentence that says why it cannot be sent. Neither shows it."""
    token = read.text("plexToken")
    if all(char.isprintable() and ord(char) < 256 for char in token):
        return token, ""
    return "", (
        "PlexSync is paused: the Plex token has characters that no token has (a line break, say). "
        f"Paste your X-Plex-Token again into {_WHERE} > plexToken."
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _path_map(read: _Reader) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    parts = [part for part in read.text("plexPathMap").split(";") if part.strip()]
    for number, part in enumerate(parts, 1):
        sides = [side.strip() for side in part.split("=>")]
        if len(sides) == 2 and all(sides):
            pairs.append((sides[0], sides[1]))
        else:  # not shown: a path, which logHidePaths would have to hide
            read.warnings.append(
                f"Part {number} of setting plexPathMap is not of the form 'stash prefix => plex prefix' and ignored."
            )
    return tuple(pairs)


def _tag_id(read: _Reader, name: str) -> str:
    text = read.text(name)
    if not text or text == "0":
        return ""
    if text.isascii() and text.isdigit():
        return text
    read.refuse(name, "the id of a tag, a whole number, is accepted", "the tag is found or created by name")
    return ""


def _address(read: _Reader) -> tuple[str, str, bool]:
    """Plex's base URL or ``""``, the sentence that says why there is none, and whether any certificate will do."""
    text = read.text("plexUrl")
    if text:
        url = _base_url(text if "://" in text else f"http://{text}")
        if url and "://" not in text:
            read.warnings.append(f"Setting plexUrl has no http:// or https://: {read.shown(url)} is used.")
        return url, "" if url else _url_problem("plexUrl"), False
    host, port = read.text("plexHost"), read.text("plexPort")
    if not host and port in ("", "0"):
        return DEFAULT_URL, "", False
    url = _old_url(host or "localhost", _port(read, port))
    if not url:
        return "", _url_problem("plexHost"), False
    read.warnings.append(
        f"Settings plexHost and plexPort are those of version 0.1: {read.shown(url)} is used, with any certificate; "
        "set plexUrl instead."
    )
    return url, "", True


def _url_problem(name: str) -> str:
    return f"PlexSync is paused: {name} cannot be used. Set {_WHERE} > plexUrl to {_URL_FORM}, with nothing after it."


def _port(read: _Reader, text: str) -> int:
    port = _whole(text) or DEFAULT_PORT
    if _whole(text) is None or not 1 <= port <= 65535:
        read.refuse("plexPort", "a whole number from 1 to 65535 is accepted", f"{DEFAULT_PORT} is used")
        return DEFAULT_PORT
    return port


def _old_url(host: str, port: int) -> str:
    """0.1's host, into which people also put a scheme or a port, and port as a base URL; ``""`` if it is none."""
    scheme, separator, rest = host.partition("://")
    rest = rest if separator else host
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest.rstrip('/')}]"
    url = _base_url(f"{scheme if separator else 'https'}://{rest}")
    if not url or urlsplit(url).port:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc}:{port}").geturl()


def _base_url(text: str) -> str:
    """``text`` as scheme, host, port and path, without trailing slash; ``""`` if it is no address of a Plex server.

    What could carry a secret (a name and password, a query, a fragment) is none.
    """
    if any(not char.isprintable() or char.isspace() for char in text):
        return ""
    try:
        parts = urlsplit(text)
        usable = _is_address(parts)
    except ValueError:  # a port out of range, brackets that do not match, a host that IDNA refuses
        return ""
    return f"{parts.scheme}://{parts.netloc.rstrip(':')}{parts.path.rstrip('/')}" if usable else ""


def _is_address(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return (
        parts.scheme in ("http", "https")
        and _is_host(host)
        and "@" not in parts.netloc
        and parts.port != 0
        and not (parts.query or parts.fragment)
        and "token" not in parts.path.lower()
    )


def _is_host(host: str) -> bool:
    """Whether ``host`` could be a name or address; ``http`` is what is left of an address with slashes missing.

    Raises ValueError for an IPv6 address or an international name that is none.
    """
    if host in ("", "http", "https") or len(host) > 253:
        return False
    if ":" in host:
        ip_address(host)
        return True
    labels = host.encode("idna").decode("ascii").removesuffix(".").split(".")
    return all(label and all(char.isalnum() or char in "-_" for char in label) for label in labels)


def digest(saved: Mapping[str, Any]) -> str:
    """Return 64 hex digits that differ when anything saved for PlexSync does, token included; they reveal nothing."""
    return hashlib.sha256(json.dumps(saved, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()
