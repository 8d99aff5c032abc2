"""Published timm weights as local files, whose hashes are known before a network is built."""

from __future__ import annotations

import functools
import re
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from gridbench.config import RunConfig
from gridbench.core.files import file_hash
from gridbench.core.identity import LOCAL
from gridbench.errors import InputError, reason_of

__all__ = ["SOURCES", "Published", "model_config", "published_weights", "weights_hash", "weights_versions"]

HUB = "hf-hub:"
SOURCES = (HUB, LOCAL)
"""Where timm takes a model from that is not in its list: the Hugging Face hub, or a folder in the same form."""
CONFIG = "config.json"

_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_REVISION = re.compile(r"[\w./-]{0,200}", re.ASCII)

SECONDS_TO_ANSWER = 4.0
# In timm's order; pickles come last and are loaded with weights_only.
FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Published:
    """A file of weights in the cache of the Hugging Face hub.

    Attributes:
        path: Where it is.
        repository: Its repository on the hub, such as `"timm/resnet18.a1_in1k"`.
        revision: The commit that it is of.
        sha256: Hash of its content.
    """

    path: Path
    repository: str
    revision: str
    sha256: str


def model_config(name: str) -> Path | None:
    """Return the file that says what a model of the hub or of a folder is; None for a model of timm's list.

    Args:
        name: `hf-hub:OWNER/NAME` (with `@REVISION` if any), `local-dir:FOLDER`, or a timm model name.

    Raises:
        InputError: It is not there and cannot be fetched.
    """
    if name.startswith(LOCAL):
        return _in_folder(name, CONFIG)
    if not name.startswith(HUB):
        return None
    repository, asked = _on_the_hub(name)
    return _cached(repository, (CONFIG,), asked) or _fetched(repository, (CONFIG,), asked, name)


def _on_the_hub(name: str) -> tuple[str, str | None]:
    """Return the repository and the revision, if any, of a name of the hub.

    Raises:
        InputError: It is no such name, or would lead out of the hub's cache.
    """
    repository, _, revision = name.removeprefix(HUB).partition("@")
    if not _REPOSITORY.fullmatch(repository) or ".." in name or not _REVISION.fullmatch(revision):
        raise InputError(f"The backbone {name!r} is not a name of the hub; write hf-hub:OWNER/NAME.")
    return repository, revision or None


def published_weights(name: str) -> Published:
    """Return timm's weights of a model from the hub's cache, fetching them on first use, or those of a folder.

    Args:
        name: A timm model name, with its tag if any, or a name as `model_config` takes it.

    Raises:
        InputError: None are published, or they are not in the cache and cannot be fetched; within seconds.
    """
    if name.startswith(LOCAL):
        path = _in_folder(name, FILES[0])
        return Published(path, path.parent.name, "local", weights_hash(path))
    if name.startswith(HUB):
        repository, asked = _on_the_hub(name)
        path = _cached(repository, FILES, asked) or _fetched(repository, FILES, asked, name)
        return Published(path, repository, path.parent.name, weights_hash(path))

    from timm.models import get_pretrained_cfg

    published = get_pretrained_cfg(name)
    if published is None or not published.hf_hub_id:
        where = f" but at {published.url}" if published is not None and published.url else ""
        raise InputError(
            f"timm publishes no weights of {name!r} on the Hugging Face hub{where}. Leave out --pretrained, or start "
            "from a file: --weights FILE"
        )
    repository, _, asked = str(published.hf_hub_id).partition("@")
    files = (published.hf_hub_filename,) if published.hf_hub_filename else FILES
    path = _cached(repository, files, asked or None) or _fetched(repository, files, asked or None, name)
    return Published(path, repository, path.parent.name, weights_hash(path))


def weights_versions(config: RunConfig) -> dict[str, str]:
    """Return the hashes of the initial weights, published or from the user's file; nothing for training from scratch.

    Raises:
        InputError: They cannot be had, or a prefix is given without a file.
    """
    hashes = {}
    folder = model_config(config.backbone or "")
    if folder is not None:
        hashes["backbone_config"] = weights_hash(folder)
    if config.weights_prefix is not None and config.weights is None:
        raise InputError(
            "The setting 'weights_prefix' (--weights-prefix) changes nothing without --weights FILE."
        )
    if config.pretrained and config.backbone:
        hashes["pretrained_weights"] = published_weights(config.backbone).sha256
    if config.weights is not None:
        try:
            hashes["weights_file"] = weights_hash(Path(config.weights))
        except FileNotFoundError:
            raise InputError(f"The weights file {config.weights!r} does not exist.") from None
        except (OSError, ValueError) as error:
            raise InputError(
                f"The weights file {config.weights!r} cannot be read: {reason_of(error, config.weights)}"
            ) from None
    return hashes


def weights_hash(path: Path) -> str:
    """Return the sha256 of a file of weights, computed once for all runs of a sweep.

    Raises:
        OSError: It cannot be read, or is not a regular file.
    """
    found = path.stat()
    return _hash(path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@functools.lru_cache(maxsize=64)
def _hash(path: Path, facts: tuple[int, ...]) -> str:
    return file_hash(path)


def _in_folder(name: str, file: str) -> Path:
    path = Path(name.removeprefix(LOCAL)) / file
    if not path.is_file():
        raise InputError(
            f"The backbone {name!r} cannot be read: there is no {str(path)!r}. timm.models.save_for_hf writes such a "
            "folder."
        )
    return path


def _cached(repository: str, files: tuple[str, ...], revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for file in files:
        found = try_to_load_from_cache(repository, file, revision=revision)
        if isinstance(found, str):
            return Path(found)
    return None


def _fetched(repository: str, files: tuple[str, ...], revision: str | None, name: str) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    problem: object = "HF_HUB_OFFLINE is set"
    asked = f"{constants.ENDPOINT}/{repository}/resolve/{revision or 'main'}/{CONFIG}"
    # The hub's own client tries each file six times, which takes half a minute.
    if not constants.HF_HUB_OFFLINE and _answers(asked):
        for file in files:
            try:
                return Path(hf_hub_download(repository, file, revision=revision))
            except Exception as error:
                problem = error
                # If a file is missing, try the next; LocalEntryNotFoundError means that the network failed.
                if not isinstance(error, EntryNotFoundError) or isinstance(error, LocalEntryNotFoundError):
                    break
    elif not constants.HF_HUB_OFFLINE:
        problem = f"{constants.ENDPOINT} does not answer"
    problem = str(problem).strip().rstrip(".")
    raise InputError(
        f"The published weights of {name!r} are not in {constants.HF_HUB_CACHE} and cannot be fetched: {problem}. "
        f"Fetch them where there is a network (hf download {repository} {files[0]}) and copy that folder here, start "
        "from a file (--weights FILE), or leave out --pretrained."
    )


def _answers(url: str) -> bool:
    """Return within seconds whether a server answers without an error, through the proxy if one is set."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(
                urllib.request.Request(url, method="HEAD"), timeout=SECONDS_TO_ANSWER
            ).close()
        except urllib.error.HTTPError as error:
            # The hub's client reports missing or forbidden files; 407 comes from a proxy.
            if error.code >= 500 or error.code == 407:
                return
        except urllib.error.URLError as error:
            # The hub's client may know certificates that Python does not.
            if not isinstance(error.reason, ssl.SSLError):
                return
        except (OSError, ValueError, HTTPException):
            return
        answered.set()

    # A DNS lookup has no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_ANSWER)
    return answered.is_set()
