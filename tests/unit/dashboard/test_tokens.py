"""Tokens of scrapers: named, shown once, kept as hashes."""

from pathlib import Path

import pytest

from rollcall.dashboard.tokens import Tokens


def test_each_token_is_known_until_it_is_removed(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    first, second = tokens.make("prometheus", 1.0), tokens.make("other", 2.0)
    assert tokens.names() == ["other", "prometheus"]
    assert tokens.knows(first)
    assert tokens.knows(second)
    assert tokens.remove("prometheus")
    assert not tokens.remove("prometheus")
    assert not tokens.knows(first)
    assert tokens.knows(second)
    assert not tokens.knows("")


def test_a_token_file_is_private_and_has_no_token(tmp_path: Path) -> None:
    token = Tokens(tmp_path).make("prometheus", 1.0)
    (file,) = (tmp_path / "tokens").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert token not in file.read_text("ascii")


@pytest.mark.parametrize("name", ["", "../sessions/a", "Name", "a b", "a/b"])
def test_a_name_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="small letters"):
        Tokens(tmp_path).make(name, 1.0)


def test_a_name_is_taken_once_and_a_spoiled_file_opens_nothing(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    token = tokens.make("prometheus", 1.0)
    with pytest.raises(ValueError, match="already"):
        tokens.make("prometheus", 1.0)
    (tmp_path / "tokens" / "prometheus.json").write_text("spoiled", "ascii")
    assert not tokens.knows(token)
    assert not tokens.knows("")
