"""The user's settings: the table of all keys, and the reader of what Stash has saved. Knows no HTTP.

An unusable value never disables the plugin: the default is used, with one warning. No sentence contains the token, or
an address that might contain it.
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

from plexsync.model import pasted
from plexsync.model.errors import SetupError

DEFAULT_URL = "http://localhost:32400"
DEFAULT_PORT = 32400
DEFAULT_MAX_TAGS = 100
DEFAULT_MAX_RETRIES = 8
_WHERE = "Settings > Plugins > PlexSync"
_TOKEN_BOX = f"{_WHERE} > Plex token"

#: The sentence while nobody has saved a token.
NO_TOKEN = f"PlexSync is paused: no Plex token is set. Paste your X-Plex-Token into {_TOKEN_BOX}."


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: key and type in Stash, and the name that Stash's page shows (the manifest's ``displayName``).

    ``default``, ``highest``: only for numbers; the lowest number is 1.
    """

    name: str
    type: Literal["STRING", "NUMBER", "BOOLEAN"]
    display_name: str
    default: int = 0
    highest: int = 0


#: Source of stash ids (the endpoint's host; ``none``: the scene has no stash id) -> key of the setting for its tag.
TAG_KEYS = {
    "none": "tagID_emptystashid",
    "stashdb.org": "tagID_stashdb",
    "pmvstash.org": "tagID_pmvstash",
    "theporndb.net": "tagID_porndb",
    "fansdb.cc": "tagID_fansdb",
    "javstash.org": "tagID_javstash",
}
#: Member of ``Settings.skip`` -> key of the switch.
SKIP_KEYS = {
    name: f"skip{name.capitalize()}"
    for name in ("actors", "background", "collection", "date", "genres", "poster", "studio", "summary", "title")
}
KEYS = (
    Key("plexUrl", "STRING", "Plex address"),
    Key("plexToken", "STRING", "Plex token"),
    Key("plexLibraries", "STRING", "Plex libraries"),
    Key("plexPathMap", "STRING", "Path map"),
    Key("plexSkipTlsVerify", "BOOLEAN", "Accept any certificate"),
    Key("plexHost", "STRING", "Plex host (version 0.1)"),
    Key("plexPort", "STRING", "Plex port (version 0.1)"),
    Key("matchLowConfidence", "BOOLEAN", "Write uncertain matches"),
    Key("missingIgnore", "BOOLEAN", "Do not wait for missing files"),
    Key("missingScan", "BOOLEAN", "Ask Plex to scan missing files"),
    Key("keepPlexEdits", "BOOLEAN", "Keep edits made in Plex"),
    *(Key(key, "BOOLEAN", f"Skip {name}") for name, key in SKIP_KEYS.items()),
    Key("skipUnorganized", "BOOLEAN", "Organized scenes only"),
    Key("cleanTitles", "BOOLEAN", "Plain titles"),
    Key("tagStashIDs", "BOOLEAN", "Tag scenes by stash-box"),
    *(
        Key(key, "STRING", f"Tag id: {'no stash-box' if source == 'none' else source}")
        for source, key in TAG_KEYS.items()
    ),
    Key("maxTags", "NUMBER", "Maximum genres", DEFAULT_MAX_TAGS, 1000),
    Key("maxRetries", "NUMBER", "Maximum attempts", DEFAULT_MAX_RETRIES, 100),
    Key("logDebug", "BOOLEAN", "Verbose log"),
    Key("logHidePaths", "BOOLEAN", "Hide names in the log"),
    Key("dryRun", "BOOLEAN", "Dry run"),
)
_NO_TAGS = MappingProxyType(dict.fromkeys(TAG_KEYS, ""))
_SWITCH_WORDS = {
    **dict.fromkeys(("", "0", "0.0", "false", "f", "no", "n", "off", "disabled"), False),
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y", "on", "enabled"), True),
}
_BY_NAME = {key.name: key for key in KEYS}


def display_name(key: str) -> str:
    """Return the name of the setting ``key`` on Stash's page, by which every message names it."""
    return _BY_NAME[key].display_name


def _both_names(key: str) -> str:
    """Return ``"Path map" (plexPathMap)``."""
    return f'"{display_name(key)}" ({key})'


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, validated, with defaults for those that are not set.

    ``plex_url``: without a trailing slash; ``""`` if it cannot be used, and ``url_problem`` says why. ``plex_token``:
    ``""`` if it is not set or cannot be used, and ``token_problem`` says why. ``path_map``: (stash prefix, plex prefix)
    pairs. ``stash_id_tags``: source (a key of ``TAG_KEYS``) -> tag id as text, ``""`` if none is set.
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
    """Return the sentence for the user if these settings keep PlexSync from working, else None."""
    if settings.token_problem or settings.url_problem:
        return settings.token_problem or settings.url_problem
    if not settings.plex_token:
        return NO_TOKEN
    return None


def require_setup(settings: Settings) -> None:
    """Raise ``SetupError`` if these settings keep PlexSync from working."""
    problem = setup_problem(settings)
    if problem:
        raise SetupError(problem)


def read_settings(raw: Mapping[str, object] | None) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings in what Stash has saved (None: nothing), and one sentence for each that is unusable.

    Never raise, whatever ``raw`` contains.
    """
    read = _Reader(raw if isinstance(raw, Mapping) else {})
    url, url_problem, any_certificate = _address(read)
    token, token_problem = _token(read)
    settings = Settings(
        plex_url=url,
        url_problem=url_problem,
        plex_token=token,
        token_problem=token_problem,
        libraries=pasted.names(read.text("plexLibraries")),
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
    """Reads single values, of any type that makes sense, and collects the warnings."""

    def __init__(self, raw: Mapping[str, object]) -> None:
        self.raw = raw
        self.warnings: list[str] = []
        token = raw.get("plexToken")
        text = _plain(token).strip() if isinstance(token, (str, int, float)) else ""
        self._secrets = tuple(secret for secret in (text, pasted.token(text)) if secret)

    def switch(self, name: str) -> bool:
        """Return whether the switch is on; texts and numbers that mean on or off count."""
        value = self.raw.get(name, "")
        text = pasted.unquoted(_plain(value)).lower() if isinstance(value, (str, int, float)) else value
        if text is None or (isinstance(text, str) and text in _SWITCH_WORDS):
            return text is not None and _SWITCH_WORDS[text]
        self.warn_of_value(name, "off", "Turn it on or off")
        return False

    def number(self, name: str) -> int:
        """Return the whole number, or the default for 0, nothing, and a number out of range."""
        key = _BY_NAME[name]
        number = _whole(self.raw.get(name))
        if number == 0:
            return key.default
        if number is not None and 1 <= number <= key.highest:
            return number
        self.warn_of_value(name, f"the default {key.default}", f"Enter a whole number from 1 to {key.highest}")
        return key.default

    def text(self, name: str) -> str:
        """Return the text without blanks around it; a whole number counts as text, 0 as not set."""
        value = self.raw.get(name, "")
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0):
            return ""
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and not _is_huge(value)):
            return str(value).strip()
        self.warn_of_value(name, "the default", "Enter a text")
        return ""

    def warn_of_value(self, name: str, used: str, what_to_do: str) -> None:
        """Warn that the value of ``name`` is not accepted; show it unless it is the token."""
        shown = "this value" if name == "plexToken" else self.shown(self.raw.get(name))
        self.warnings.append(f"using {used} for {_both_names(name)}: {shown} is not accepted. {what_to_do}.")

    def shown(self, value: object) -> str:
        """Return ``value`` for a sentence: short, on one line, and hidden if it contains the token."""
        if not isinstance(value, (str, int, float)):
            return f"a {type(value).__name__}"
        text = _plain(value)
        if any(secret in text for secret in self._secrets):
            return "(hidden)"
        return ascii(text[:40] + "..." if len(text) > 40 else text) if isinstance(value, str) else text

    def warn_of_unknown(self) -> None:
        """Warn of each setting that PlexSync does not know."""
        for name in self.raw:
            if name not in _BY_NAME:
                self.warnings.append(f"skipped setting {self.shown(name)}: it is unknown to this version of PlexSync.")


def _plain(value: str | float) -> str:
    """Return ``value`` as text; a number with thousands of digits, which Python refuses to print, as words."""
    return "a huge number" if isinstance(value, int) and _is_huge(value) else str(value)


def _is_huge(value: int) -> bool:
    return value.bit_length() > 256


def _whole(value: object) -> int | None:
    """Return ``value``, a number or text, as a whole number, 0 for nothing; None for anything else."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(pasted.unquoted(value) if isinstance(value, str) else value)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def _token(read: _Reader) -> tuple[str, str]:
    """Return the token, or ``""`` and the sentence that says why it cannot be sent. The sentence does not show it."""
    text = read.text("plexToken")
    token = pasted.token(text)
    if text and not token:
        return "", (
            "PlexSync is paused: the Plex token is a text without a token in it, such as an address."
            f" Paste your X-Plex-Token into {_TOKEN_BOX}."
        )
    if all(char.isprintable() and ord(char) < 256 for char in token):
        return token, ""
    return "", (
        "PlexSync is paused: the Plex token contains characters that no token has, such as a line break."
        f" Paste your X-Plex-Token again into {_TOKEN_BOX}."
    )


def _path_map(read: _Reader) -> tuple[tuple[str, str], ...]:
    # No sentence shows a path, which "Hide names in the log" would have to hide.
    setting, pairs = _both_names("plexPathMap"), list[tuple[str, str]]()
    for number, found in enumerate(pasted.path_pairs(read.text("plexPathMap")), 1):
        pairs += found
        relative = [
            side
            for pair in found
            for side, path in zip(("Stash", "Plex"), pair, strict=True)
            if not pasted.is_whole_path(path)
        ]
        if not found:
            read.warnings.append(f"skipped part {number} of {setting}: enter it as stash prefix => plex prefix.")
        elif relative:
            read.warnings.append(
                f"found part {number} of {setting} without a whole path for {relative[0]}: begin it with / or a drive"
                f" letter, as {relative[0]} shows it."
            )
    return tuple(pairs)


def _tag_id(read: _Reader, name: str) -> str:
    text = pasted.unquoted(read.text(name))
    text = text.rpartition("/tags/")[2].partition("/")[0].partition("?")[0]  # the address of the tag's page
    if not text or text == "0":
        return ""
    if text.isascii() and text.isdigit():
        return text
    read.warn_of_value(name, "the default tag", "Enter the id of a tag, a whole number")
    return ""


def _address(read: _Reader) -> tuple[str, str, bool]:
    """Return Plex's base URL, or ``""`` and the sentence that says why, and whether to accept any certificate."""
    text = read.text("plexUrl")
    if text:
        base, cut = pasted.address(text)
        url = _base_url(base if "://" in base else f"http://{base}")
        if problem := _url_problem(url, "plexUrl"):
            return "", problem, False
        if cut or "://" not in base:
            why = "the rest is the address of a page" if cut else "http:// or https:// is missing"
            shown = "(hidden)" if pasted.may_be_token(base) else read.shown(url)
            read.warnings.append(f"using {shown} for {_both_names('plexUrl')}: {why}.")
        return url, "", False
    host, port = read.text("plexHost"), read.text("plexPort")
    if not host and port in ("", "0"):
        return DEFAULT_URL, "", False
    url = _old_url(pasted.address(host or "localhost").base, _port(read, port))
    if problem := _url_problem(url, "plexHost"):
        return "", problem, False
    read.warnings.append(
        f"using {read.shown(url)} with any certificate, from {_both_names('plexHost')} and {_both_names('plexPort')}."
        f' Set "{display_name("plexUrl")}" instead.'
    )
    return url, "", True


def _url_problem(url: str, name: str) -> str:
    """Return the sentence that says why ``url`` (``""``: what is set is no address) is no server's, ``""`` if it is."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    website = host == "plex.tv" or host.endswith(".plex.tv")
    if url and not website:
        return ""
    problem = "is the address of Plex's website, not of your server" if website else "cannot be used as an address"
    return (
        f'PlexSync is paused: "{display_name(name)}" {problem}. Set {_WHERE} > {display_name("plexUrl")} to the address'
        f" of your Plex server, such as {DEFAULT_URL}, with nothing after it."
    )


def _port(read: _Reader, text: str) -> int:
    port = _whole(text) or DEFAULT_PORT
    if _whole(text) is None or not 1 <= port <= 65535:
        read.warn_of_value("plexPort", str(DEFAULT_PORT), "Enter a whole number from 1 to 65535")
        return DEFAULT_PORT
    return port


def _old_url(host: str, port: int) -> str:
    """Return 0.1's host (which may have a scheme or a port) and port as a base URL, ``""`` if they make none."""
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
    """Return scheme, host, port and path without a trailing slash; ``""`` if ``text`` is not a server's address.

    An address with anything that may hold a secret (name and password, query, fragment) is rejected too.
    """
    if any(not char.isprintable() or char.isspace() for char in text):
        return ""
    try:
        parts = urlsplit(text)
        usable = _is_address(parts)
    except ValueError:  # a port out of range, brackets that do not match, a host that IDNA rejects
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
    """Return whether ``host`` may be a name or address; ``http`` is left over from an address without its slashes.

    Raise ``ValueError`` for an invalid IPv6 address or international name.
    """
    if host in ("", "http", "https") or len(host) > 253:
        return False
    if ":" in host:
        ip_address(host)
        return True
    labels = host.encode("idna").decode("ascii").removesuffix(".").split(".")
    return all(label and all(char.isalnum() or char in "-_" for char in label) for label in labels)


def digest(saved: Mapping[str, Any]) -> str:
    """Return 64 hex digits that change with any saved setting, the token included, and reveal nothing."""
    return hashlib.sha256(json.dumps(saved, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()


def disclosed(saved: Mapping[str, Any]) -> dict[str, bool | int | str]:
    """Return what a bug report may show of the settings: key -> a switch, a number, or ``set`` or ``not set``.

    Of the libraries and of the path map it is how many there are. No text that the user typed is in it.
    """
    read = _Reader(saved)
    shown: dict[str, bool | int | str] = {}
    for key in KEYS:
        if key.type == "BOOLEAN":
            shown[key.name] = read.switch(key.name)
        elif key.type == "NUMBER":
            shown[key.name] = read.number(key.name)
        else:
            shown[key.name] = "set" if read.text(key.name) else "not set"
    shown["plexLibraries"] = len(pasted.names(read.text("plexLibraries")))
    shown["plexPathMap"] = len(_path_map(read))
    return shown
