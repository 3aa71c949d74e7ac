"""News of many paths in one place costs one comparison of that place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from kitty_guardian.watch.entries import list_entries
from kitty_guardian.watch.session import Session
from kitty_guardian.watch.tree import WorkTree
from support.guarded import session
from support.repositories import Repository

CHAIN = ["docs" + "/d" * depth for depth in range(1, 41)]
"""Anything may be in these folders; `generated/`, which may be in any of them, is protected."""


@pytest.fixture(name="opened")
def _opened(planned: Repository) -> Iterator[Session]:
    planned.write(".kittify/guardian.toml", 'source = ["src/", "**/generated/"]\n')
    planned.write("docs/README.md", "what it is\n")
    planned.commit("a policy")
    with session(planned) as opened:
        yield opened


@pytest.fixture(name="listed")
def _listed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each directory was listed."""
    found: Counter[str] = Counter()
    names = WorkTree.names

    def counting(tree: WorkTree, directory: str, *, strict: bool = False) -> object:
        found[directory] += 1
        return names(tree, directory, strict=strict)

    monkeypatch.setattr(WorkTree, "names", counting)
    return found


def test_a_new_chain_of_folders_is_compared_once(planned: Repository, opened: Session, listed: Counter[str]) -> None:
    (planned.path / CHAIN[-1]).mkdir(parents=True)

    opened.guard.hear()
    for path in CHAIN:
        opened.guard.follow_news(path)

    assert dict(listed) == dict.fromkeys(CHAIN, 1)


def test_further_news_is_compared_anew(planned: Repository, opened: Session, listed: Counter[str]) -> None:
    (planned.path / CHAIN[-1]).mkdir(parents=True)
    for _ in range(2):
        opened.guard.hear()
        for path in CHAIN:
            opened.guard.follow_news(path)

    assert dict(listed) == dict.fromkeys(CHAIN, 2)


def test_what_comes_into_a_compared_folder_afterwards_is_not_passed_over(planned: Repository, opened: Session) -> None:
    (planned.path / CHAIN[-1]).mkdir(parents=True)
    opened.guard.hear()
    for path in CHAIN:
        opened.guard.follow_news(path)
    evil = f"{CHAIN[20]}/generated/evil.py"
    planned.write(evil, "evil\n")

    opened.guard.hear()
    opened.guard.follow_news(evil.rpartition("/")[0])
    opened.guard.follow_news(evil)

    assert not (planned.path / evil).exists()
    assert (planned.path / CHAIN[-1]).is_dir()
    assert [entry.path for entry in list_entries(planned.path)] in ([evil], [evil.rpartition("/")[0]])
