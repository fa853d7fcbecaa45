"""Rewrite a document that SQLite cannot read, or reads slowly. Loaded only for those, because it needs ``json``."""


def readable(text: str) -> str:
    """Return the JSON ``text`` without a hook's ``input`` and with lone surrogates replaced.

    Of equal keys in an object the first counts, as in SQLite. Raise ``ValueError``, ``RecursionError`` or
    ``MemoryError``.
    """
    import json  # takes a third of a hook's time

    return json.dumps(_slim(json.loads(text, object_pairs_hook=_first)))


def _slim(document: object) -> object:
    if isinstance(document, dict):
        return {_slim(k): _slim(v) for k, v in document.items() if k not in ("input", "inputFields")}
    if isinstance(document, str):
        return document.encode("utf-8", "replace").decode()
    return document


def _first(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))
