"""The checks of `fastring doctor`: each looks at one thing, says what it found, and what to type to mend it."""

from __future__ import annotations

import http.client
import importlib.util
import os
import platform
import socket
import ssl
import sys
import urllib.request
import wave
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from fastring._version import __version__
from fastring.asr.cores import available_cores, divide_cores
from fastring.asr.models import MODEL_REPOSITORIES, resolve_model
from fastring.audio.native_core import core_version, instruction_set
from fastring.audio.pcm import pcm16_to_float32
from fastring.errors import ConfigError, FastringError, ModelUnavailableError
from fastring.recordings import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from fastring.config import AsrSettings, Settings

__all__ = [
    "CHECKS",
    "Check",
    "check_cores",
    "check_descriptors",
    "check_extension",
    "check_extras",
    "check_keys",
    "check_model",
    "check_port",
    "check_python",
    "check_tls",
    "run_checks",
]

RECORDING = "seen_0"
_SPARE_DESCRIPTORS = 128
"""Besides connections: requests that are no streams (`SPARE_SOCKETS` of server/door.py), logs,
the event loop, models, the sockets of remote engines."""

_SERVER = ("aiohttp", "prometheus_client", "structlog", "av", "soxr")
_ENGINE_MODULES = {
    "faster-whisper": ("asr", ("faster_whisper", "onnxruntime")),
    "deepgram": ("deepgram", ("websockets",)),
    "deepgram-batch": ("deepgram", ("httpx",)),
    "openai": ("openai", ("openai",)),
    "pocketsphinx": ("pocketsphinx", ("pocketsphinx",)),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes:
        name: of what was looked at.
        status: ok; warn: it works, but not as well as it could; fail: the server would not start, or not work.
        found: in one line.
        mend: what to type or to set; "" if nothing has to be done.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    mend: str = ""


def check_python(_settings: Settings) -> Check:
    """The interpreter."""
    version = f"{platform.python_implementation()} {platform.python_version()}"
    return Check("python", "ok", f"{version} on {platform.system()} {platform.machine()}")


def check_extension(_settings: Settings) -> Check:
    """The native core: of the same version as the package, and on which instructions."""
    found = f"native core {core_version()}, {instruction_set()} instructions"
    if core_version() != __version__:
        return Check(
            "extension", "fail", f"{found}, but the package is {__version__}", "pip install --force-reinstall fastring"
        )
    return Check("extension", "ok", found)


def check_extras(settings: Settings) -> Check:
    """What the server and the chosen engines need beside the base package."""
    wanted = {"server": _SERVER}
    for engine in (settings.asr.engine, *settings.asr.fallback):
        if engine in _ENGINE_MODULES:
            extra, modules = _ENGINE_MODULES[engine]
            wanted[extra] = (*wanted.get(extra, ()), *modules)
    missing = {
        extra: [module for module in modules if importlib.util.find_spec(module) is None]
        for extra, modules in wanted.items()
    }
    lacking = {extra: modules for extra, modules in missing.items() if modules}
    if lacking:
        names = ", ".join(module for modules in lacking.values() for module in modules)
        mend = f'pip install "fastring[{",".join(sorted(lacking))}]"'
        return Check("extras", "fail", f"not installed: {names}", mend)
    if importlib.util.find_spec("uvloop") is None and sys.platform != "win32":
        return Check("extras", "warn", "uvloop is not installed: the event loop is slower", "pip install uvloop")
    return Check("extras", "ok", f"installed: {', '.join(wanted)}")


def check_model(settings: Settings) -> Check:
    """The engine loads, and hears a recording that ships. Nothing is downloaded; a service is asked for silence."""
    asr = settings.asr
    if asr.engine == "faster-whisper":
        try:
            resolve_model(asr.model, download=False)
        except ModelUnavailableError as error:
            return _without_model(asr, str(error).splitlines()[0])
    try:
        return _try_engine(settings)
    except (FastringError, ImportError) as error:
        return Check("model", "fail", _one_line(error), "set asr.engine and asr.model, or try --model digits")


def _without_model(asr: AsrSettings, reason: str) -> Check:
    """The model is not here; whether the engine works is shown with the one that ships."""
    try:
        heard = _hear(replace(asr, model="digits"))
    except (FastringError, ImportError) as error:
        return Check("model", "fail", f"{reason} And the engine fails: {_one_line(error)}", "see `extras`")
    works = f"the engine itself works: `digits` heard {heard!r}"
    if asr.model in MODEL_REPOSITORIES and not os.environ.get("HF_HUB_OFFLINE"):
        found = f"{asr.model} is not on this machine: the first start fetches it ({works})"
        mend = f"fastring transcribe --model {asr.model} FILE (fetches it now); offline: --model digits"
        return Check("model", "warn", found, mend)
    return Check("model", "fail", f"{reason} ({works})", "--model FOLDER, or a known name, or --model digits")


def _try_engine(settings: Settings) -> Check:
    from fastring.asr.engines import create_transcriber
    from fastring.asr.transcriber import Reachable

    asr = settings.asr
    if asr.engine in ("faster-whisper", "pocketsphinx"):
        heard = _hear(asr)
        said = recording(RECORDING).text
        if asr.model == "digits" and asr.engine == "faster-whisper" and heard != said:
            return Check("model", "fail", f"digits heard {heard!r} where {said!r} is said", "reinstall fastring")
        if not heard:
            return Check("model", "fail", f"{asr.model} hears nothing where {said!r} is said", "try another asr.model")
        return Check("model", "ok", f"{asr.engine} {asr.model} heard {heard!r} where {said!r} is said")
    engine = create_transcriber(settings)  # it names a key or a file that is missing
    try:
        troubles = engine.reach() if isinstance(engine, Reachable) else []
    finally:
        engine.close()
    if troubles:
        return Check("model", "fail", "; ".join(troubles), "set what it names")
    asked = "and its service would serve" if isinstance(engine, Reachable) else "and asks nobody"
    return Check("model", "ok", f"{asr.engine} is set up, {asked}")


def _hear(asr: AsrSettings) -> str:
    """What the engine makes of the recording."""
    from fastring.asr.engines import create_transcriber
    from fastring.asr.transcriber import Job

    engine = create_transcriber(replace(asr, workers=1, threads=1, decoders=1, fallback=()))
    try:
        samples = _samples(recording(RECORDING).path)
        (hypothesis,) = engine.transcribe([Job(0, "doctor", 0, "final", 0, samples, asr.language)])
    finally:
        engine.close()
    return hypothesis.text


def _samples(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path), "rb") as file:
        return pcm16_to_float32(np.frombuffer(file.readframes(file.getnframes()), np.int16))


def check_port(settings: Settings) -> Check:
    """The address can be bound, or a server of ours is there already."""
    host, port = settings.server.host, settings.server.port
    if port == 0:
        return Check("port", "ok", "any free one (server.port = 0)")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if (url := _own_server(settings)) is not None:
            mend = "use that one; for another beside it: fastring serve --port 0 (any free one)"
            return Check("port", "warn", f"a fastring server runs at {url} already", mend)
        mend = f"stop what listens there (ss -ltnp 'sport = :{port}'), or take another: --port N"
        return Check("port", "fail", f"{host}:{port}: {error.strerror or error}", mend)
    return Check("port", "ok", f"{host}:{port} is free")


def _own_server(settings: Settings) -> str | None:
    """Where a fastring server answers at the address that is set; None if it is somebody else, or nobody."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.server.host, settings.server.host)
    netloc = f"[{host}]" if ":" in host else host
    url = f"{'https' if settings.server.tls_certificate else 'http'}://{netloc}:{settings.server.port}"
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE  # nothing is told to it
    # No proxy of the environment: it is this machine.
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anyone))
    try:
        with ask.open(f"{url}/livez", timeout=2) as answer:
            return url if answer.headers.get("Server") == "fastring" else None
    except (OSError, http.client.HTTPException):
        return None


def check_descriptors(settings: Settings) -> Check:
    """File descriptors against connections: a stream may have several."""
    try:
        import resource
    except ImportError:  # not on Windows
        return Check("descriptors", "ok", "this system sets no limit that can be read")
    from fastring.server.registry import CONNECTIONS_PER_STREAM

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    streams = settings.server.max_streams
    most = CONNECTIONS_PER_STREAM * streams + _SPARE_DESCRIPTORS
    found = f"{limit} may be open; {streams} streams (server.max_streams) need {streams + _SPARE_DESCRIPTORS}..{most}"
    mend = f"ulimit -n {most} (systemd: LimitNOFILE={most}), or lower server.max_streams"
    if limit == resource.RLIM_INFINITY or limit >= most:
        return Check("descriptors", "ok", found.replace(str(resource.RLIM_INFINITY), "any number", 1))
    return Check("descriptors", "warn" if limit >= streams + _SPARE_DESCRIPTORS else "fail", found, mend)


def check_cores(settings: Settings) -> Check:
    """Engine threads against the cores that this process may use: affinity and the container's quota count."""
    asr = settings.asr
    cores = available_cores()
    if asr.engine != "faster-whisper" or asr.device == "cuda":
        return Check("cores", "ok", f"{cores} may be used; the engine {asr.engine} on {asr.device} needs few of them")
    processes = settings.server.processes
    workers, threads = divide_cores(max(1, cores // processes), asr.workers, asr.threads)
    found = f"{cores} may be used; {processes} processes x {workers} workers x {threads} threads"
    if processes * workers * threads > cores:
        mend = f"--processes N with N at most {cores}, asr.workers=0 and asr.threads=0 (chosen to fit)"
        return Check("cores", "warn", f"{found}: more threads than cores slow each other down", mend)
    return Check("cores", "ok", found)


def check_keys(settings: Settings) -> Check:
    """A public address has keys; the file of keys can be read."""
    from fastring.server.auth import is_loopback, require_keys_in_public
    from fastring.server.keys import KeyRing

    host = settings.server.host
    try:
        keys = len(KeyRing(settings.security))
        require_keys_in_public(settings.security, settings.server)
    except ConfigError as error:
        return Check("keys", "fail", str(error), "export FASTRING_API_KEYS=$(openssl rand -hex 24)")
    if keys:
        return Check("keys", "ok", f"{keys}, for {host}")
    if is_loopback(host):
        return Check("keys", "ok", f"none, and none needed: {host} reaches this machine alone")
    mend = "export FASTRING_API_KEYS=$(openssl rand -hex 24)"
    return Check("keys", "warn", f"none, and {host} is reachable from outside: everyone may use this server", mend)


def check_tls(settings: Settings) -> Check:
    """The certificate loads."""
    from fastring.server.run import tls_context

    try:
        context = tls_context(settings.server)
    except ConfigError as error:
        return Check("tls", "fail", str(error), "server.tls_certificate and server.tls_key take PEM files")
    if context is not None:
        return Check("tls", "ok", f"{settings.server.tls_certificate} loads")
    return Check("tls", "ok", "off: a proxy in front may do it, or server.tls_certificate")


CHECKS: tuple[tuple[str, Callable[[Settings], Check]], ...] = (
    ("python", check_python),
    ("extension", check_extension),
    ("extras", check_extras),
    ("model", check_model),
    ("port", check_port),
    ("descriptors", check_descriptors),
    ("cores", check_cores),
    ("keys", check_keys),
    ("tls", check_tls),
)
"""All of them, in the order in which they are told."""


def run_checks(settings: Settings) -> Iterator[Check]:
    """One after the other. What a check itself stumbles over (a module that is missing) is a finding of its own."""
    for name, look in CHECKS:
        yield _looked(name, look, settings)


def _looked(name: str, look: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return look(settings)
    except ImportError as error:
        return Check(name, "fail", f"cannot be looked at: {_one_line(error)}", "see `extras`")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
