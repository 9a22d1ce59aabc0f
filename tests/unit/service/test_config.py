"""Configuration: one file, the environment, and every mistake at once."""

from pathlib import Path

import pytest

from rollcall.service import config
from rollcall.service.config import ConfigError

NOT_A_PORT = (
    "ROLLCALL_BROKER__PORT  [broker] port: Input should be a valid integer, "
    "unable to parse string as an integer"
)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rollcall.toml"
    file.write_text(text, "utf-8")
    return file


def test_every_key_has_a_default(tmp_path: Path) -> None:
    settings = config.load(written(tmp_path, ""), {})
    assert (settings.broker.host, settings.broker.port) == ("127.0.0.1", 1883)


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, '[broker]\nhost = "hub"\nport = 1885\n')
    settings = config.load(file, {"ROLLCALL_BROKER__PORT": "1884"})
    assert (settings.broker.host, settings.broker.port) == ("hub", 1884)


@pytest.mark.parametrize(
    ("raw", "node"),
    [
        pytest.param("pi-3", "pi-3", id="bare text"),
        pytest.param('"pi-3"', "pi-3", id="a TOML string"),
    ],
)
def test_a_variable_is_toml_or_else_text(tmp_path: Path, raw: str, node: str) -> None:
    settings = config.load(written(tmp_path, ""), {"ROLLCALL_AGENT__NODE": raw})
    assert settings.agent.node == node


def test_all_mistakes_come_at_once_with_their_origin_and_the_nearest_key(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[broker]\nhots = "hub"\n\n[agent]\ninterval = 0\n[mails]\nto = []\n[mail]\nsecurity="x"\n',
    )
    with pytest.raises(ConfigError) as caught:
        config.load(file, {"ROLLCALL_BROKER__PORT": "88x3"})
    assert sorted(str(fault) for fault in caught.value.faults) == [
        NOT_A_PORT,
        'line 2  [broker] hots: unknown key; did you mean "host"?',
        "line 5  [agent] interval: Input should be greater than or equal to 1",
        'line 6  [mails]: unknown key; did you mean "mail"?',
        "line 9  [mail] security: Input should be 'starttls', 'tls' or 'none'",
    ]
    assert str(caught.value).startswith(f"5 mistakes in {file}")


def test_control_characters_have_no_place_in_what_a_node_says_of_itself(tmp_path: Path) -> None:
    file = written(tmp_path, '[agent]\nlabels = {role = "a\\u0007b"}\ndescription = "a\\nb"\n')
    with pytest.raises(ConfigError, match="2 mistakes"):
        config.load(file, {})


def test_no_value_is_ever_quoted(tmp_path: Path) -> None:
    file = written(tmp_path, '[mail]\nport = "hunter2"\npasswort = "hunter2"\n')
    with pytest.raises(ConfigError) as caught:
        config.load(file, {})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"[broker\n", "is not TOML", id="not TOML"),
        pytest.param(b"\xff", "is not UTF-8", id="not UTF-8"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "rollcall.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        config.load(file, {})


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "absent.toml", {})


def test_the_users_file_comes_before_that_of_a_running_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert config.find_file(environ) is None
    running = tmp_path / "data/rollcall/up/rollcall.toml"
    own = tmp_path / "config/rollcall/rollcall.toml"
    for file in (running, own):
        file.parent.mkdir(parents=True)
        file.touch()
        assert config.find_file(environ) == file


def test_credentials_of_systemd_are_found_in_file_keys(tmp_path: Path) -> None:
    file = written(tmp_path, '[mail]\npassword_file = "${CREDENTIALS_DIRECTORY}/smtp"\n')
    settings = config.load(file, {"CREDENTIALS_DIRECTORY": "/run/credentials/x"})
    assert settings.mail.password_file == Path("/run/credentials/x/smtp")


def test_a_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    assert config.read_secret(file) == "hunter2"


def test_a_secret_that_cannot_be_read_is_a_configuration_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the secret cannot be read"):
        config.read_secret(tmp_path / "absent")


@pytest.mark.parametrize(
    ("written_as", "address"), [('"0x3f"', 0x3F), ("0x27", 0x27), ("39", 39), ('"auto"', "auto")]
)
def test_an_i2c_address_is_taken_as_people_write_it(
    tmp_path: Path, written_as: str, address: object
) -> None:
    settings = config.load(written(tmp_path, f"[lcd]\naddress = {written_as}\n"), {})
    assert settings.lcd.address == address


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ('address = "0x99"', 'give it as "0x27"'),
        ("address = true", 'give it as "0x27"'),
        ('night = "22-7"', 'give it as "22:00-07:00"'),
        ('night = "24:00-07:00"', 'give it as "22:00-07:00"'),
        ('pins = "rs rw e light d4 d5 d6 d6"', "name each of rs rw e light d4 d5 d6 d7 once"),
    ],
)
def test_a_wrong_line_about_the_display_says_how_it_is_written(
    tmp_path: Path, line: str, advice: str
) -> None:
    with pytest.raises(ConfigError, match=advice):
        config.load(written(tmp_path, f"[lcd]\n{line}\n"), {})
