"""Encoders from the Hugging Face Hub: the files that are read here, of one commit, in a folder of data/bert/.

What is on its way lies in a hidden folder beside it and goes on where it stopped. Nothing that is fetched is executed.
"""

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.config import hub_names
from pipeline.config.hub_names import HubName
from pipeline.errors import UserError, disk
from pipeline.files import atomic, formats, inputs, room
from pipeline.lazy import lazily
from pipeline.machine.console import progress, say

huggingface_hub = lazily("huggingface_hub")
hub_errors = lazily("huggingface_hub.errors")
constants = lazily("huggingface_hub.constants")
HTTP_LIBRARIES = ("httpx", "httpx2")  # that the hub's client raises the errors of, by its version

RECORD = "fetched.json"  # what was fetched, in the encoder's folder
CONFIGURATION = r"[\w-]*config[\w-]*\.json"
DESCRIBING = ("vocab.txt", "tokenizer.json", "special_tokens_map.json",
              "added_tokens.json", "vocab.json", "merges.txt", "spm.model", "spiece.model",
              "sentencepiece.bpe.model", "metadata.json", "preprocessor.json", "assets/tokenizer/vocabulary.txt",
              "assets/tokenizer/vocabulary.spm", "assets/tokenizer/vocabulary.json", "assets/tokenizer/merges.txt")
WEIGHTS = (  # the first kind of which there is a file is fetched
    r"model\.safetensors", r"model-\d+-of-\d+\.safetensors|model\.safetensors\.index\.json",
    r"model\.weights\.h5", r"[^/]+\.ckpt(-\d+)?\.(index|data-\d+-of-\d+)", r"pytorch_model\.bin")
PICKLE = "pytorch_model.bin"
MEGABYTE = 1_000_000
LONGEST_NAME = 200  # of a file, in characters


def opened(source: str) -> Path:
    """The folder of an encoder that is given by its path or by its name on the hub; fetched first where it is not
    there. Raises UserError."""
    name = hub_names.parse(source)
    if name is None:
        if source.startswith(hub_names.PREFIX):
            raise UserError(f"{hub_names.RULE}; got {source!r}")
        return Path(source)
    if not name.folder.is_dir():
        return fetch(name)
    _check(name)
    return name.folder


def fetch(name: HubName) -> Path:
    """Brings an encoder's files into its folder, verified by the hub's hashes, and a record of them; returns the
    folder. One that is there already is verified by its record. Raises UserError and DiskError."""
    folder = name.folder
    if os.path.lexists(folder) and not folder.is_dir():
        raise UserError(f"{folder}: must be a folder, to hold {name}; got a file or a broken link")
    if folder.is_dir():
        _check(name, thoroughly=True)
        say(f"{folder}: is there already, as it was fetched")
        return folder
    with _explained(name):
        api = huggingface_hub.HfApi(endpoint=constants.ENDPOINT)
        info = api.model_info(name.repository, revision=name.revision or None, files_metadata=True)
        wanted = _wanted(name, [file.rfilename for file in info.siblings])
        files = {file.rfilename: file for file in info.siblings if file.rfilename in wanted}
        size, commit = sum(file.size or 0 for file in files.values()), str(info.sha)
        license_ = (info.card_data or {}).get("license")
    building = folder.with_name(f".{folder.name}.fetching")
    room.require_room(folder.parent, size, f"the files of {name}")
    with disk(building):
        building.mkdir(parents=True, exist_ok=True)
    with atomic.held(building):
        if folder.is_dir():  # another process has fetched it while this one waited
            _check(name)
            with contextlib.suppress(OSError):
                building.rmdir()
            return folder
        say(f"fetching {name}, commit {commit[:12]}: {size / MEGABYTE:,.0f} MB to {folder}")
        with _explained(name), progress(f"{name.repository}, MB", math.ceil(size / MEGABYTE)) as megabyte:
            bar = _Bytes(megabyte)
            for file in files:
                api.hf_hub_download(name.repository, file, revision=commit, local_dir=building,
                                    tqdm_class=bar.of_file)
        if wrong := [file for file, stated in files.items() if not _is_as_stated(building / file, stated)]:
            for file in wrong:
                (building / file).unlink()
            raise UserError(f"{name}: {', '.join(wrong)} came otherwise than the hub says, by its hash; fetch again")
        atomic.remove(building / ".cache")
        for left in building.iterdir():  # of an earlier attempt at another commit
            if left.is_file() and left.name not in files:
                left.unlink()
        formats.write(building / RECORD, {
            "name": str(name), "commit": commit, "endpoint": constants.ENDPOINT, "license": license_,
            "files": {file: {"bytes": (building / file).stat().st_size, "sha256": _sha256(building / file)}
                      for file in sorted(files)}})
        atomic.publish(building, folder)
    return folder


def _is_as_stated(path: Path, stated: Any) -> bool:
    """Whether a file is what the hub says of it: by SHA-256 where it is a large one, else by Git's hash of a blob."""
    if stated.lfs:
        return bool(stated.lfs.sha256 == _sha256(path))
    content = path.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return stated.blob_id in (None, blob)


def name_of(folder: Path) -> str:
    """What a configuration calls an encoder's folder: the name that it was fetched by, or its path."""
    path = folder / RECORD
    name = inputs.read_json(path, MEGABYTE).get("name") if path.is_file() else None
    return name if isinstance(name, str) and hub_names.folder(name) == folder else str(folder)


def is_pickled(folder: Path) -> bool:
    """Whether a fetched folder's weights are a pickle, which is read by ``convert`` alone."""
    return (folder / PICKLE).exists()


def _wanted(name: HubName, there: list[str]) -> list[str]:
    """The names of the files that are read here. Raises UserError where the weights are in no format of these."""
    for kind in WEIGHTS:
        if weights := [file for file in there if re.fullmatch(kind, file)]:
            return [*weights, *(file for file in there if file in DESCRIBING or re.fullmatch(CONFIGURATION, file))]
    others = [file for file in there if file.endswith((".h5", ".msgpack", ".onnx", ".gguf", ".bin", ".pt"))]
    raise UserError(f"{name}: holds no weights in a format that is read here (model.safetensors, pytorch_model.bin, "
                    f"*.ckpt, model.weights.h5); it has {', '.join(others[:5]) or 'none at all'}")


@contextlib.contextmanager
def _explained(name: HubName) -> Iterator[None]:
    """Turns what the hub and the network say into one line."""
    page = f"{constants.ENDPOINT}/{name.repository}"
    otherwise = (f"or fetch it where there is a network (python -m stages fetch {name}) and copy {name.folder} here; "
                 f"a mirror: HF_ENDPOINT=https://hf-mirror.com")
    try:
        yield
    except hub_errors.GatedRepoError:
        raise UserError(f"{name}: its owner asks to be agreed with first: {page}; then set HF_TOKEN to a token of "
                        f"yours") from None
    except hub_errors.RevisionNotFoundError:
        raise UserError(f"{name}: has no revision {name.revision!r}; {page}/commits lists them") from None
    except hub_errors.RepositoryNotFoundError:
        raise UserError(f"{name}: {page} is not there, or is private: look the name up, or set HF_TOKEN to a token "
                        f"that may read it") from None
    except UserError:
        raise
    except (hub_errors.HfHubHTTPError, hub_errors.HFValidationError) as error:
        raise UserError(f"{name}: the hub refused: {_first_line(error)}; try again later, {otherwise}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{name}: {constants.ENDPOINT} gave no answer of a hub ({_first_line(error)}); is there a web "
                        f"page in between, for a login? Else {otherwise}") from None
    except Exception as error:
        offline = isinstance(error, hub_errors.OfflineModeIsEnabled | hub_errors.LocalEntryNotFoundError)
        if not offline and type(error).__module__.partition(".")[0] not in HTTP_LIBRARIES:
            raise
        raise UserError(f"{name}: {constants.ENDPOINT} cannot be reached ({_first_line(error)}); try again, "
                        f"{otherwise}") from None


def _check(name: HubName, thoroughly: bool = False) -> None:
    """Raises UserError where a folder was not fetched by this name, or a file of it is not as it was: by its size, or
    thoroughly, by its hash."""
    folder = name.folder
    if not (folder / RECORD).is_file() or name_of(folder) != str(name):
        raise UserError(f"{folder}: was not fetched as {name} ({RECORD} does not say so); name it by its path, or move "
                        f"it away to fetch {name}")
    wrong = [file for file, stated in _record(folder).items()
             if not (folder / file).is_file() or (folder / file).stat().st_size != stated["bytes"]
             or (thoroughly and _sha256(folder / file) != stated["sha256"])]
    if wrong:
        raise UserError(f"{folder}: {', '.join(wrong[:5])} is not as it was fetched; delete the folder to fetch it "
                        f"again, or give it a name of your own and use its path")


def _record(folder: Path) -> dict[str, dict[str, Any]]:
    """The fetched files, by their names."""
    path = folder / RECORD
    files = inputs.read_json(path, MEGABYTE).get("files")
    if not files or not isinstance(files, dict) or not all(
            len(file) < LONGEST_NAME and isinstance(stated, dict) and {"bytes", "sha256"} <= stated.keys()
            for file, stated in files.items()):
        raise UserError(f"{path}: is damaged; delete {folder} to fetch it again")
    return files


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return json.dumps(lines[0])[1:-1] if lines else type(error).__name__


class _Bytes:
    """Bytes of several files, as steps of a megabyte; what the hub's client takes for bars of its own."""

    def __init__(self, megabyte: Callable[[], None]):
        self._megabyte, self._done = megabyte, 0.0

    def of_file(self, *_: object, initial: float = 0, **__: object) -> "_Bytes":
        """A bar for one more file, of which ``initial`` bytes are there already."""
        self.update(initial)
        return self

    def update(self, count: float | None = 1) -> None:
        before, self._done = self._done, self._done + (count or 0)
        for _ in range(int(self._done // MEGABYTE - before // MEGABYTE)):
            self._megabyte()

    def close(self) -> None:
        """All files share the bar."""

    def __enter__(self) -> "_Bytes":
        return self

    def __exit__(self, *_: object) -> None:
        """All files share the bar."""
