"""The project's identity in `.kittify/config.yaml`: minted once, and nothing of the file lost (facts, section 5)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

CONFIG_PATH: Final = ".kittify/config.yaml"

_KEYS: Final = ("uuid", "slug", "node_id", "build_id")
_PROJECT: Final = re.compile(r"^project[ \t]*:[ \t]*(?:#.*)?$", re.MULTILINE)
_INDENTED: Final = re.compile(r"([ \t]+)\S")


def with_identity(text: str, name: str) -> str | None:
    """The configuration with what its project lacks of an identity.

    Args:
        text: The file as it is; empty for none.
        name: What the project is called where it has no slug.

    Returns:
        The whole text, the same where nothing lacks; None where it cannot be extended without changing what it says.
    """
    values = _values(text)
    if values is None:
        return None
    project = values.get("project")
    if project is not None and not isinstance(project, dict):
        return None if project else _added(text, values, minted({}, name), {})
    known = {key: str(value) for key, value in (project or {}).items() if value not in (None, "", "null", "~")}
    return _added(text, values, minted(known, name), known)


def minted(known: Mapping[str, str], name: str) -> dict[str, str]:
    """What an identity lacks: a random project id, a slug, a random node id, and a build id that follows from them."""
    found = {"uuid": str(uuid.uuid4()), "slug": slug_of(name), "node_id": uuid.uuid4().hex[:12], **known}
    try:
        space = uuid.UUID(found["uuid"])
    except ValueError:
        space = uuid.NAMESPACE_URL
    found.setdefault("build_id", str(uuid.uuid5(space, found["node_id"])))
    return {key: found[key] for key in _KEYS if key not in known}


def slug_of(name: str) -> str:
    """A project's slug as upstream makes it: in lower case, with hyphens for spaces and underscores."""
    return re.sub(r"[_\s]+", "-", name.strip().lower()) or "project"


def _added(text: str, values: Mapping[str, Any], lacking: Mapping[str, str], known: Mapping[str, str]) -> str | None:
    if not lacking:
        return text
    found = _PROJECT.search(text)
    if found is None:
        if "project" in values:
            return None  # in braces, or with an anchor
        before = text if not text or text.endswith("\n") else f"{text}\n"
        extended = f"{before}project:\n{_lines(lacking, '  ')}"
    else:
        rest = text[found.end() :].removeprefix("\n")
        indent = _INDENTED.match(rest)
        lines = _lines(lacking, indent[1] if indent is not None and known else "  ")
        extended = f"{text[: found.end()]}\n{lines}{rest}"
    expected = {**values, "project": {**(values.get("project") or {}), **lacking}}
    return extended if _values(extended) == expected else None


def _lines(values: Mapping[str, str], indent: str) -> str:
    return "".join(f'{indent}{key}: "{value}"\n' for key, value in values.items())


def _values(text: str) -> dict[str, Any] | None:
    import yaml  # here, since it costs 40 ms

    try:
        found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes texts, lists and mappings only
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    if found is None or found == "":
        return {}
    return found if isinstance(found, dict) else None
