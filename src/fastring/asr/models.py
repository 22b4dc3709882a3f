"""From the name of a speech model to a folder that holds it: bundled, local, cached, or downloaded with a progress bar.

Nothing here waits for a network that does not answer: a short reachability check comes before any download, and every
way to fail ends in `ModelUnavailableError`, which says what to type instead.
"""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

from fastring.errors import ModelUnavailableError

__all__ = ["MODEL_REPOSITORIES", "resolve_model"]

# The names that faster-whisper gives to converted models; any other "owner/name" on the hub works too.
MODEL_REPOSITORIES = {
    **{
        size: f"Systran/faster-whisper-{size}"
        for size in ("tiny.en", "tiny", "base.en", "base", "small.en", "small", "medium.en", "medium")
    },
    **{size: f"Systran/faster-whisper-{size}" for size in ("large-v1", "large-v2", "large-v3")},
    "large": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    **{
        f"distil-{size}": f"Systran/faster-distil-whisper-{size}"
        for size in ("small.en", "medium.en", "large-v2", "large-v3")
    },
}

_BUNDLED = Path(__file__).resolve().parent.parent / "models"
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
_FILES = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
_REACH_TIMEOUT_S = 5.0


def resolve_model(name_or_path: str, *, cache_dir: str | None = None, download: bool = True) -> Path:
    """The folder of a model in CTranslate2 format.

    Args:
        name_or_path: `digits` (ships with fastring), a folder, a name such as `base` or `small.en`, or `owner/name`
            of the Hugging Face hub.
        cache_dir: where downloads are kept; None: the hub's own cache.
        download: fetch a model that is not here, with a progress bar on standard error.

    Raises:
        ModelUnavailableError: if it cannot be had; the message says what to type.
    """
    bundled = _BUNDLED / name_or_path
    if name_or_path.isidentifier() and bundled.is_dir():
        return bundled
    path = Path(name_or_path).expanduser()
    repository = MODEL_REPOSITORIES.get(name_or_path)
    # A folder that happens to be called `small` does not hide the model of that name, unless it holds one.
    if name_or_path and path.is_dir() and (repository is None or (path / "model.bin").is_file()):
        return _checked(path)
    if repository is None:
        repository = _repository_of(name_or_path, path)
    return _checked(_cached_or_downloaded(name_or_path, repository, cache_dir, download))


def _repository_of(name_or_path: str, path: Path) -> str:
    """`owner/name` as it stands, or the error for what is neither a name nor a folder."""
    if name_or_path and path.exists():
        raise ModelUnavailableError(f"{name_or_path} is a file: --model takes the folder of a CTranslate2 model.")
    owner, _, name = name_or_path.partition("/")
    if owner and name and "/" not in name and not name_or_path.startswith((".", "~")):
        return name_or_path
    raise ModelUnavailableError(
        f"There is no model {name_or_path!r}: it is neither a folder nor a known name.\n"
        f"  names: digits, {', '.join(MODEL_REPOSITORIES)}\n"
        "  or a folder:        --model PATH\n"
        "  or one of the hub:  --model OWNER/NAME"
    )


def _checked(folder: Path) -> Path:
    """The folder, if it holds what CTranslate2 and the tokenizer need."""
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if not missing:
        return folder
    if ("model.bin" in missing and any(folder.glob("*.safetensors"))) or (folder / "pytorch_model.bin").is_file():
        raise ModelUnavailableError(
            f"{folder} holds a Transformers model. Convert it to CTranslate2 first:\n"
            f"  pip install 'transformers[torch]'\n"
            f"  ct2-transformers-converter --model {folder} --output_dir {folder}-ct2 --quantization int8 \\\n"
            f"    --copy_files tokenizer.json preprocessor_config.json"
        )
    raise ModelUnavailableError(f"{folder} is not a CTranslate2 Whisper model: it has no {', no '.join(missing)}.")


def _cached_or_downloaded(name: str, repository: str, cache_dir: str | None, download: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ModelUnavailableError(
            f"The model {name!r} needs the speech extra:\n  pip install 'fastring[asr]'"
        ) from error
    missing: Exception | None = None
    try:
        cached = snapshot_download(repository, cache_dir=cache_dir, local_files_only=True, allow_patterns=_FILES)
        return _checked(Path(cached))
    except Exception as error:
        missing = error  # not in the cache, or only a part of it
    if not download or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise _unavailable(name, repository, "and downloads are switched off") from missing
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    _require_reachable(name, repository, endpoint)
    try:
        return Path(snapshot_download(repository, cache_dir=cache_dir, endpoint=endpoint, allow_patterns=_FILES))
    except Exception as error:
        raise _unavailable(name, repository, f"and the download failed ({_reason(error)})") from error


def _require_reachable(name: str, repository: str, endpoint: str) -> None:
    """Ask the hub for anything, for a few seconds at most: name resolution may hang, so it has a thread of its own."""
    failure: list[Exception] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"{endpoint}/{repository}", method="HEAD"), timeout=_REACH_TIMEOUT_S
            ):
                pass
        except urllib.error.HTTPError:
            pass  # it answers; what it says is the download's business
        except Exception as error:
            failure.append(error)
        answered.set()

    threading.Thread(target=ask, name="fastring-reach", daemon=True).start()
    if not answered.wait(_REACH_TIMEOUT_S + 1):
        raise _unavailable(name, repository, f"and {endpoint} does not answer")
    if failure:
        raise _unavailable(name, repository, f"and {endpoint} cannot be reached ({_reason(failure[0])})") from failure[
            0
        ]


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return (str(reason).strip().splitlines() or [type(error).__name__])[0][:200]


def _unavailable(name: str, repository: str, why: str) -> ModelUnavailableError:
    folder = name.replace("/", "-")
    return ModelUnavailableError(
        f"The speech model {name!r} is not on this machine, {why}.\n"
        "  hear digits only, with what ships:  --model digits\n"
        "  use a folder you have:              --model PATH\n"
        f"  fetch it where there is a network:  hf download {repository} --local-dir {folder}\n"
        f"                                      then copy it here and:  --model ./{folder}"
    )
