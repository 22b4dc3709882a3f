from __future__ import annotations

import contextlib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.config import Settings
from fastring.config_sources import DEFAULT, load_settings, setting_fields
from fastring.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_sources_every_value_is_the_default() -> None:
    loaded = load_settings(environ={})
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {DEFAULT}
    assert len(loaded.sources) == sum(len(fields(getattr(Settings(), section.name))) for section in fields(Settings))


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    file = write(tmp_path / "f.toml", '[server]\nhost = "::1"\nport = 1\nmax_streams = 2\n[asr]\nmodel = "tiny"\n')
    loaded = load_settings(
        file=file,
        environ={"FASTRING_SERVER__PORT": "2", "FASTRING_SERVER__HOST": "10.0.0.1", "FASTRING_ASR__BEAM_SIZE": "1"},
        flags={"server.port": 3, "asr.engine": None},
    )
    assert (loaded.settings.server.host, loaded.settings.server.port, loaded.settings.server.max_streams) == (
        "10.0.0.1",
        3,
        2,
    )
    assert loaded.settings.asr.model == "tiny"
    assert loaded.sources["server.port"] == "flag --port"
    assert loaded.sources["server.host"] == "environment FASTRING_SERVER__HOST"
    assert loaded.sources["server.max_streams"] == f"file {file}"
    assert loaded.sources["asr.engine"] == DEFAULT


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = write(tmp_path / "f.toml", "[server]\nport = 7\n")
    other = write(tmp_path / "g.toml", "[server]\nport = 8\n")
    assert load_settings(environ={"FASTRING_CONFIG": str(file)}).settings.server.port == 7
    assert load_settings(file=other, environ={"FASTRING_CONFIG": str(file)}).settings.server.port == 8


@pytest.mark.parametrize(
    ("name", "path", "text", "value"),
    [
        ("WS_WINDOW_SECONDS", "voice.window_seconds", "3", 3.0),
        ("WS_OVERLAP_SECONDS", "voice.overlap_seconds", "0.25", 0.25),
        ("WS_WINDOW_MIN", "voice.window_min", "2", 2.0),
        ("WS_WINDOW_MAX", "voice.window_max", "6", 6.0),
        ("ADAPTIVE_LATENCY_HIGH_MS", "voice.adaptive_latency_high_ms", "900", 900),
        ("ADAPTIVE_LATENCY_LOW_MS", "voice.adaptive_latency_low_ms", "200", 200),
        ("WS_MAX_QUEUE", "asr.max_queue", "5", 5),
        ("FASTRING_API_KEYS", "security.api_keys", "one, two,", ("one", "two")),
        ("FASTRING_VOICE__PROGRESSIVE", "voice.progressive", "off", False),
    ],
)
def test_environment_names(name: str, path: str, text: str, value: object) -> None:
    loaded = load_settings(environ={name: text})
    section, _, field = path.partition(".")
    assert getattr(getattr(loaded.settings, section), field) == value
    assert loaded.sources[path] == f"environment {name}"


def test_the_systematic_environment_name_wins_and_an_empty_one_is_unset() -> None:
    both = {"WS_MAX_QUEUE": "5", "FASTRING_ASR__MAX_QUEUE": "6"}
    assert load_settings(environ=both).settings.asr.max_queue == 6
    assert load_settings(environ={"FASTRING_SERVER__PORT": ""}).sources["server.port"] == DEFAULT


def test_set_takes_any_setting_and_wins() -> None:
    loaded = load_settings(
        environ={}, flags={"server.port": 3}, assignments=["server.port=4", "endpoint.pre_roll_ms = 100"]
    )
    assert (loaded.settings.server.port, loaded.settings.endpoint.pre_roll_ms) == (4, 100)
    assert loaded.sources["endpoint.pre_roll_ms"] == "flag --set"


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ("[server]\nport = 70000\n", ["server.port = 70000", "0..65535", "f.toml"]),
        ('[server]\nport = "many"\n', ["server.port = 'many'", "valid integer", "f.toml"]),
        ("[server]\nport = true\n", ["server.port = True", "int", "f.toml"]),
        ("[server]\nprot = 1\n", ["server.prot", "did you mean server.port?", "f.toml"]),
        ("[servr]\nport = 1\n", ["servr.port", "did you mean server.port?"]),
        ("port = 1\n", ["port", "[server]", "did you mean server.port?"]),
        ("[asr]\nwindow_seconds = 1\n", ["did you mean voice.window_seconds?"]),
        ('[asr]\nengine = "wisper"\n', ["asr.engine = 'wisper'", "faster-whisper"]),
        (
            "[voice]\nwindow_max = 2.0\n",
            ["voice.window_seconds = 2.5", "window_min..window_max", "voice.window_max from file"],
        ),
        ("[server\n", ["f.toml", "TOML"]),
        ("[server]\nquantum_flux = 1\n", ["server.quantum_flux", "fastring config"]),
    ],
)
def test_a_bad_file_is_refused_with_name_source_and_limit(tmp_path: Path, toml: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(file=write(tmp_path / "f.toml", toml), environ={})
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"FASTRING_SERVER__PORT": "x"}, ["server.port = 'x'", "environment FASTRING_SERVER__PORT"]),
        ({"FASTRING_SERVER__PROT": "1"}, ["FASTRING_SERVER__PROT", "did you mean server.port?"]),
        ({"FASTRING_ANALYSIS__UPDATE_HZ": "nan"}, ["analysis.update_hz", "1..100", "FASTRING_ANALYSIS__UPDATE_HZ"]),
        ({"FASTRING_CONFIG": "/does/not/exist.toml"}, ["/does/not/exist.toml", "FASTRING_CONFIG", "No such file"]),
    ],
)
def test_a_bad_environment_is_refused(environ: dict[str, str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ=environ)
    for part in parts:
        assert part in str(caught.value)


def test_a_bad_assignment_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"section\.name=value"):
        load_settings(environ={}, assignments=["server.port"])


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    loaded = load_settings(environ={"FASTRING_API_KEYS": "hush"})
    assert loaded.settings.security.api_keys == ("hush",)
    shown = {field.path: value for field, value, _ in loaded.rows()}
    assert shown["security.api_keys"] == "***"
    with pytest.raises(ConfigError) as caught:
        load_settings(file=write(tmp_path / "f.toml", '[security]\napi_keys = ["fine", 4711]\n'), environ={})
    assert "4711" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_every_setting_has_help_and_both_kinds_of_name() -> None:
    for field in setting_fields():
        assert field.help
        assert field.env[0] == f"FASTRING_{field.section}__{field.name}".upper()
        assert field.type_name


@given(st.dictionaries(st.sampled_from([f.env[0] for f in setting_fields()]), st.text(max_size=20), max_size=4))
def test_any_environment_is_settings_or_a_config_error(environ: dict[str, str]) -> None:
    with contextlib.suppress(ConfigError):
        loaded = load_settings(environ=environ)
        assert set(loaded.sources.values()) <= {DEFAULT, *(f"environment {name}" for name in environ)}
