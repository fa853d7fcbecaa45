"""How to reach Plex: the address, the keys of version 0.1, and the token, which alone is required."""

from __future__ import annotations

import pytest

from plexsync.model.settings import Settings, display_name, read_settings, setup_problem

DEFAULT_URL = "http://localhost:32400"


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://plex:32400", "http://plex:32400"),
        ("https://plex.example.org/", "https://plex.example.org"),
        (" https://plex.example.org/plex// ", "https://plex.example.org/plex"),
        ("http://[fe80::1]:32400", "http://[fe80::1]:32400"),
        ("http://10.0.0.5:", "http://10.0.0.5"),
        ("HTTP://Plex:1", "http://Plex:1"),
        ("http://b\u00fccher.example", "http://b\u00fccher.example"),
        ("http://my_plex-1.", "http://my_plex-1."),
        ("http://PLEX-X:", "http://PLEX-X"),
        ("http://plex/web/X/", "http://plex/web/X"),
        (f"http://{'.'.join(['a' * 63] * 3 + ['a' * 61])}", f"http://{'.'.join(['a' * 63] * 3 + ['a' * 61])}"),
    ],
)
def test_addresses(value: str, url: str) -> None:
    """An address is used as typed, without blanks and slashes at its end, and without a warning."""
    result, warnings = read_settings({"plexUrl": value})
    assert (result.plex_url, result.url_problem, warnings) == (url, "", ())
    assert not result.skip_tls_verify


@pytest.mark.parametrize("value", ["plex:32400", "10.0.0.5", "[::1]:32400"])
def test_an_address_without_scheme_is_http(value: str) -> None:
    """The scheme may be missing; one warning gives the address that is used."""
    result, warnings = read_settings({"plexUrl": value})
    assert result.plex_url == f"http://{value}"
    assert len(warnings) == 1
    assert "plexUrl" in warnings[0]
    assert f"http://{value}" in warnings[0]


@pytest.mark.parametrize(
    "value",
    [
        "ftp://plex", "http://", "http:///web", "http://http://plex", "http://me:secret@plex", "http://plex/token/s",
        "http://plex:0", "http://plex:70000", "http://plex:x", "http://[::1",
        "http://[plex]", "http://a b", "http://a\nb", "http://plex/a b", "http://plex/a\x00b",
        f"http://{'.'.join(['a' * 63] * 3 + ['a' * 62])}", "http://a..b", "http://a!b", "http://" + "a" * 300,
        "http://" + "a." * 200, "http://\ud800", "https:/plex", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_an_unusable_address_pauses_with_one_sentence(value: str) -> None:
    """Anything but a server's address pauses syncing, and the sentence does not show it: it may be secret."""
    result, warnings = read_settings({"plexUrl": value, "plexToken": "abcdefgh"})
    problem = setup_problem(result)
    assert result.plex_url == ""
    assert problem == result.url_problem
    assert problem is not None
    assert '"Plex address" cannot be used' in problem
    assert DEFAULT_URL in problem
    assert value.removeprefix("http://") not in problem.replace(DEFAULT_URL, "") or value == "http://"
    assert "secret" not in problem + str(warnings)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://plex:32400/web/index.html#!/server/1f/details?key=%2Flibrary", "http://plex:32400"),
        ("http://plex:32400/web/index.html", "http://plex:32400"),
        ("http://plex:32400/web", "http://plex:32400"),
        ("http://plex:32400/web/", "http://plex:32400"),
        ("http://plex:32400/web/#!/media", "http://plex:32400"),
        ("https://home.example/plex/web/index.html#!/", "https://home.example/plex"),
        ("https://home.example/plex/?X-Plex-Token=abcdefgh", "https://home.example/plex"),
        ("https://10-0-0-5.0f.plex.direct:32400/library/metadata/12?checkFiles=1&X-Plex-Token=abcdefgh",
         "https://10-0-0-5.0f.plex.direct:32400"),
        ("http://plex:32400/identity", "http://plex:32400"),
        ("http://plex#x", "http://plex"),
        ("plex:32400/web/index.html#!/", "http://plex:32400"),
    ],
)  # fmt: skip
def test_the_address_of_a_page_is_cut_to_its_base(value: str, url: str) -> None:
    """A page's address loses what the browser added; a proxy's base path stays, and one warning shows what is used."""
    result, warnings = read_settings({"plexUrl": value, "plexToken": "abcdefgh"})
    assert (result.plex_url, result.url_problem) == (url, "")
    assert len(warnings) == 1
    assert '"Plex address" (plexUrl)' in warnings[0]
    assert url[:38] in warnings[0]
    assert "abcdefgh" not in warnings[0]


@pytest.mark.parametrize(
    "value", ["'http://plex:32400'", '"http://plex:32400/"', "\u201chttp://plex:32400\u201d", "<http://plex:32400>",
              "\ufeffhttp://plex:32400\u200b", "http://plex:32400\\", "http:\\\\plex:32400", "//plex:32400"],
)  # fmt: skip
def test_quotes_and_what_is_not_seen_are_cut_off_an_address(value: str) -> None:
    """Quotes, invisible characters and backslashes do no harm, and are worth no warning."""
    result, warnings = read_settings({"plexUrl": value})
    assert (result.plex_url, result.url_problem, warnings) == ("http://plex:32400", "", ())


@pytest.mark.parametrize("key", ["plexUrl", "plexHost"])
@pytest.mark.parametrize(
    "value",
    [
        "https://app.plex.tv/desktop/#!/server/1f/details?key=1",
        "app.plex.tv",
        "https://plex.tv",
        "http://www.plex.tv/web",
    ],
)
def test_the_address_of_plexs_website_is_told_as_such(key: str, value: str) -> None:
    """Plex's own pages are not the server: the sentence says so, and what to enter."""
    result, _ = read_settings({key: value, "plexToken": "abcdefgh"})
    problem = setup_problem(result) or ""
    assert result.plex_url == ""
    assert f'"{display_name(key)}" is the address of Plex\'s website, not of your server.' in problem
    assert DEFAULT_URL in problem


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("10.0.0.5", "32400", "https://10.0.0.5:32400"),
        ("10.0.0.5", "", "https://10.0.0.5:32400"),
        ("10.0.0.5", 32401, "https://10.0.0.5:32401"),
        ("plex", "0", "https://plex:32400"),
        ("", "32401", "https://localhost:32401"),
        ("http://plex", "32401", "http://plex:32401"),
        ("https://plex:1234/", "32401", "https://plex:1234"),
        ("plex:1234", "", "https://plex:1234"),
        ("fe80::1", "32401", "https://[fe80::1]:32401"),
        ("[fe80::1]", "", "https://[fe80::1]:32400"),
        ("http://plex:1234/web/index.html#!/", "", "http://plex:1234"),
    ],
)
def test_the_keys_of_version_0_1_still_work(host: object, port: object, url: str) -> None:
    """Host and port become an https address with any certificate, as in 0.1, with one warning."""
    result, warnings = read_settings({"plexHost": host, "plexPort": port})
    assert (result.plex_url, result.skip_tls_verify, result.url_problem) == (url, True, "")
    assert len(warnings) == 1
    assert "plexHost" in warnings[0]
    assert 'Set "Plex address" instead' in warnings[0]


def test_the_new_address_wins_over_the_old_keys() -> None:
    """With "Plex address" set the old keys change nothing, not even the certificate check."""
    result, warnings = read_settings({"plexUrl": "https://new", "plexHost": ["old"], "plexPort": "x"})
    assert (result.plex_url, result.skip_tls_verify, warnings) == ("https://new", False, ())


@pytest.mark.parametrize("port", ["70000", "-1", "x", "1.5"])
def test_an_old_port_that_is_none_is_the_default(port: str) -> None:
    """A port out of range means 32400, with one warning that shows it."""
    result, warnings = read_settings({"plexHost": "plex", "plexPort": port})
    assert result.plex_url == "https://plex:32400"
    wanted = f"(plexPort): '{port}' is not accepted. Enter a whole number from 1 to 65535."
    assert [line for line in warnings if wanted in line] == [warnings[0]]
    assert len(warnings) == 2


def test_an_old_host_that_is_none_pauses() -> None:
    """An impossible host pauses syncing, and the sentence names the old setting."""
    result, _ = read_settings({"plexHost": "a b", "plexToken": "abcdefgh"})
    assert '"Plex host (version 0.1)" cannot be used' in (setup_problem(result) or "")


def test_the_token_alone_is_required() -> None:
    """Only the token is missing at first, and nothing once it is set."""
    assert "no Plex token is set" in (setup_problem(read_settings({})[0]) or "")
    assert setup_problem(read_settings({"plexToken": " abcdefgh "})[0]) is None
    assert read_settings({"plexToken": " abcdefgh "})[0].plex_token == "abcdefgh"
    assert read_settings({"plexToken": 12345678})[0].plex_token == "12345678"


@pytest.mark.parametrize(
    "token",
    ["abc\ndefgh", "abc\x00defgh", "abcdefg\u6771", "abcdefg\u0100", "abc\ud800defgh", "abcdefgh 123\nabcdefgh"],
)
def test_a_token_that_no_header_can_carry_pauses_without_showing_it(token: str) -> None:
    """A line break or a foreign character in the token is described, not shown."""
    result, warnings = read_settings({"plexToken": token})
    problem = setup_problem(result) or ""
    assert (result.plex_token, warnings) == ("", ())
    assert "the Plex token contains characters that no token has" in problem
    assert "defg" not in problem


@pytest.mark.parametrize(
    "value",
    [
        "X-Plex-Token=abcdefgh", "x-plex-token: abcdefgh", "X-Plex-Token%3Dabcdefgh", "?X-Plex-Token=abcdefgh&x=1",
        "&X-Plex-Token=abcdefgh", "http://plex:32400/library/metadata/1?checkFiles=1&X-Plex-Token=abcdefgh",
        "https://plex/?X-Plex-Token=abcdefgh#!/", "'abcdefgh'", '"abcdefgh"', "\u201cabcdefgh\u201d", "abcdefgh\n",
        "\r\nabcdefgh\t", "abcd efgh", "abcd\u00a0efgh", "abcd\u200befgh", "\ufeffabcdefgh",
        '"X-Plex-Token": "abcdefgh"',
        'PlexOnlineToken="abcdefgh"', "Token:\nabcdefgh", " X-Plex-Token = abcdefgh ", "<abcdefgh>",
        "abcdefgh&X-Plex-Language=en", "http://plex/?next=%2Fx%3FX-Plex-Token%3Dabcdefgh%26y%3D1",
    ],
)  # fmt: skip
def test_the_token_is_cut_out_of_what_was_pasted(value: str) -> None:
    """Its name, an address around it, quotes and blanks are left out without a warning, and nothing shows the token."""
    result, warnings = read_settings({"plexToken": value, "maxTags": "abcdefgh"})
    assert (result.plex_token, result.token_problem) == ("abcdefgh", "")
    assert len(warnings) == 1
    assert "(hidden)" in warnings[0]


@pytest.mark.parametrize("value", ["http://plex:32400/web/index.html", "X-Plex-Token=", "X-Plex-Token: ", '""'])
def test_a_text_without_a_token_in_it_is_told_as_such(value: str) -> None:
    """An address or a name alone is not sent as the token; the sentence says what is missing."""
    result, warnings = read_settings({"plexToken": value})
    assert (result.plex_token, warnings) == ("", ())
    assert "a text without a token in it" in (setup_problem(result) or "")


def test_the_tokens_problem_is_told_first() -> None:
    """With both token and address wrong, the sentence is about the token."""
    problem = setup_problem(Settings(url_problem="url", token_problem="token"))
    assert problem == "token"


@pytest.mark.parametrize("value", ["x abcdefgh", 12345678, "abcdefgh"])
def test_the_token_in_another_setting_stays_hidden(value: object) -> None:
    """A token pasted into another setting too is not shown in the warning about that setting."""
    _, warnings = read_settings({"plexToken": str(value)[-8:], "maxTags": value, str(value): 1})
    assert len(warnings) == 2
    assert all("(hidden)" in line for line in warnings)


@pytest.mark.parametrize("address", ["abcdefghij0123456789", "abcdefghij-01234_6789"])
def test_a_token_in_the_box_of_the_address_is_not_shown(address: str) -> None:
    """A value without a scheme that may be the token, pasted into the wrong box, is in no warning and no problem."""
    result, warnings = read_settings({"plexUrl": address, "plexToken": "http://plex:32400"})
    assert address not in " ".join([*warnings, setup_problem(result) or ""])
    assert "(hidden)" in " ".join(warnings)


def test_the_address_of_a_page_in_capitals_is_cut() -> None:
    """Hosts and pages are typed in any case."""
    assert read_settings({"plexUrl": "HTTP://PLEX:32400/WEB/INDEX.HTML"})[0].plex_url.lower() == "http://plex:32400"
