"""Where settings come from: default < file < environment < flag, each value remembered with its source."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from fastring.config import Settings
from fastring.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["CONFIG_ENV", "DEFAULT", "LoadedSettings", "SettingField", "load_settings", "setting_fields"]

CONFIG_ENV = "FASTRING_CONFIG"
DEFAULT = "default"
HIDDEN = "***"
_PREFIX = "FASTRING_"


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting as people meet it: `section.name`, its type, default, help and environment names."""

    section: str
    name: str
    annotation: Any
    default: Any
    help: str
    env: tuple[str, ...]
    secret: bool

    @property
    def path(self) -> str:
        """`section.name`, as in a file, in `--set` and in messages."""
        return f"{self.section}.{self.name}"

    @property
    def type_name(self) -> str:
        """The type in words: `int`, `list`, or the choices."""
        if get_origin(self.annotation) is tuple:
            return "list"
        choices = get_args(self.annotation)
        return " | ".join(choices) if choices else str(self.annotation.__name__)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force, and for each `section.name` where its value came from."""

    settings: Settings
    sources: Mapping[str, str]

    def rows(self) -> Iterator[tuple[SettingField, Any, str]]:
        """Every setting with its value, ready to show (secrets are masked), and its source."""
        for field in setting_fields():
            value = getattr(getattr(self.settings, field.section), field.name)
            yield field, HIDDEN if field.secret and value else value, self.sources[field.path]


@lru_cache(maxsize=1)
def setting_fields() -> tuple[SettingField, ...]:
    """Every setting there is, in the order of `config`."""
    found = []
    for section, section_type in get_type_hints(Settings).items():
        hints = get_type_hints(section_type)
        for field in fields(section_type):
            own = field.metadata["env"]
            names = (f"{_PREFIX}{section}__{field.name}".upper(), *([own] if own else []))
            facts = field.metadata
            found.append(
                SettingField(
                    section, field.name, hints[field.name], field.default, facts["help"], names, facts["secret"]
                )
            )
    return tuple(found)


def load_settings(
    *,
    file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    assignments: Sequence[str] = (),
) -> LoadedSettings:
    """Read the layers, validate every value, and build the settings.

    Args:
        file: TOML with one table per section; if None, the file that `FASTRING_CONFIG` names, if it does.
        environ: variables, `os.environ` if None. `FASTRING_SECTION__FIELD`, or the extra name a setting has; an empty
            variable counts as not set. Lists are comma-separated.
        flags: `section.name` to the value a command-line flag of that name gave; None counts as not given.
        assignments: `section.name=value` of the flag `--set`; they win over `flags`.

    Returns:
        The settings, and the source of each.

    Raises:
        ConfigError: a value of the wrong type or out of range, an unknown name, an unreadable file. The message names
            the setting, the source and the limit, and never shows a secret.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {field.path: field.default for field in setting_fields()}
    sources = dict.fromkeys(values, DEFAULT)
    for path, raw, source in _layers(file, environ, flags or {}, assignments):
        values[path] = _coerce(_known(path, source), raw, source)
        sources[path] = source
    return LoadedSettings(_build(values, sources), sources)


def _layers(
    file: str | Path | None, environ: Mapping[str, str], flags: Mapping[str, object], assignments: Sequence[str]
) -> Iterator[tuple[str, Any, str]]:
    """(section.name, raw value, source) from the weakest layer to the strongest."""
    if file is not None:
        yield from _from_file(Path(file), "--config")
    elif environ.get(CONFIG_ENV):
        yield from _from_file(Path(environ[CONFIG_ENV]), CONFIG_ENV)
    yield from _from_environment(environ)
    for path, value in flags.items():
        if value is not None:
            yield path, value, f"flag --{path.partition('.')[2].replace('_', '-')}"
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set {assignment}: must be section.name=value, for example server.port=9000")
        yield path.strip(), value.strip(), "flag --set"


def _from_file(path: Path, named_by: str) -> Iterator[tuple[str, Any, str]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"settings file {path} (from {named_by}): {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings file {path}: not valid TOML: {error}") from error
    source = f"file {path}"
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{section} ({source}): must stand in a table, for example [server]{_near(section)}")
        for name, value in table.items():
            yield f"{section}.{name}", value, source


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    known = {name for field in setting_fields() for name in field.env}
    for name in environ:
        if name.startswith(_PREFIX) and "__" in name and name not in known:
            path = name.removeprefix(_PREFIX).lower().replace("__", ".", 1)
            raise ConfigError(f"environment {name}: there is no such setting{_near(path)}")
    for field in setting_fields():
        for name in reversed(field.env):  # the systematic name is the last, so it wins
            if environ.get(name):
                yield field.path, environ[name], f"environment {name}"


def _known(path: str, source: str) -> SettingField:
    for field in setting_fields():
        if field.path == path:
            return field
    raise ConfigError(f"{path} ({source}): there is no such setting{_near(path)}", setting=path)


def _near(path: str) -> str:
    """What to say after a name that is not ours: the one that was probably meant."""
    paths = [field.path for field in setting_fields()]
    by_name = {field.name: field.path for field in setting_fields()}
    close = difflib.get_close_matches(path, paths, n=1, cutoff=0.7)
    if not close:
        close = [
            by_name[name] for name in difflib.get_close_matches(path.rpartition(".")[2], by_name, n=1, cutoff=0.75)
        ]
    return f"; did you mean {close[0]}?" if close else "; `fastring config` lists them all"


@lru_cache(maxsize=64)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _coerce(field: SettingField, raw: Any, source: str) -> Any:
    if get_origin(field.annotation) is tuple and isinstance(raw, str):
        raw = tuple(item for item in (part.strip() for part in raw.split(",")) if item)
    shown = HIDDEN if field.secret else repr(raw)
    if isinstance(raw, bool) and field.annotation is not bool:  # pydantic would read true as 1
        raise ConfigError(f"{field.path} = {shown} ({source}): must be {field.type_name}", setting=field.path)
    try:
        return _adapter(field.annotation).validate_python(raw)
    except ValidationError as error:
        limit = error.errors()[0]["msg"].replace("Input should be", "must be")
        # Neither the text nor the chained cause may carry a secret into a log.
        cause = None if field.secret else error
        raise ConfigError(f"{field.path} = {shown} ({source}): {limit}", setting=field.path) from cause


def _build(values: Mapping[str, Any], sources: Mapping[str, str]) -> Settings:
    sections = {}
    for section, section_type in get_type_hints(Settings).items():
        own = {path.partition(".")[2]: value for path, value in values.items() if path.startswith(f"{section}.")}
        try:
            sections[section] = section_type(**own)
        except ConfigError as error:
            raise ConfigError(f"{error} ({_blame(error.setting, section, sources)})", setting=error.setting) from error
    return Settings(**sections)


def _blame(setting: str, section: str, sources: Mapping[str, str]) -> str:
    """Where the refused value came from; if it is a default, which values of its section were changed around it."""
    source = sources.get(setting, DEFAULT)
    if source != DEFAULT:
        return f"from {source}"
    changed = [
        f"{path} from {where}" for path, where in sources.items() if path.startswith(f"{section}.") and where != DEFAULT
    ]
    return f"the default; changed beside it: {', '.join(changed)}" if changed else "the default"
