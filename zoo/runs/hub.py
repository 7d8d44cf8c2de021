"""The Hugging Face hub: upload a bundle to a model there, or download one; tokens are the hub's own affair."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import ERROR
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zoo.core.errors import JobError, MissingError, RunError, ZooError, one_line
from zoo.core.temporary import scratch
from zoo.runs.bundle import Bundle, write_bundle
from zoo.runs.bundle_source import CARD, LIMITS, MANIFEST, check_names, check_required
from zoo.runs.run import Run

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ADDRESS = re.compile(r"hf:(?P<name>[\w.-]{1,96}/[\w.-]{1,96})(@(?P<revision>[\w./-]{1,100}))?", re.ASCII)
INSTALL = 'pip install "pixel-zoo[hub]"'
LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
UPLOAD, DOWNLOAD = "push to", "pull from"
CLIENT = ("huggingface_hub", "httpx", "httpx2", "httpcore", "httpcore2", "requests", "hf_xet")
"""Packages whose errors come from the hub or from the way to it."""
COMMON = {".gitattributes", CARD}
"""Files that the hub itself puts into a new model."""


class Address(NamedTuple):
    """A model on the hub, as `hf:user/name@revision`."""

    name: str
    revision: str | None

    @classmethod
    def read(cls, text: str) -> Address:
        """Read an address; ZooError if it is none."""
        if not (match := ADDRESS.fullmatch(text)):
            raise ZooError(f"{text[:80]!r} is no model on the hub", "write it as hf:user/name or hf:user/name@revision")
        return cls(match["name"], match["revision"])


def push_to_hub(
    run: Run,
    text: str,
    *,
    half: bool,
    license: str,  # noqa: A002
    private: bool | None,
    force: bool,
) -> tuple[Bundle, str]:
    """Upload a run in one commit, and return its page; the model is created if there is none."""
    address = Address.read(text)
    api = connect()
    with scratch("push") as temporary:
        folder = temporary / "bundle"
        bundle = write_bundle(run, folder, half, license=license, address=f"hf:{address.name}")
        with hub_errors(address, UPLOAD):
            before = check_existing(api, address, run, temporary, force)
            url = str(api.create_repo(address.name, private=private, exist_ok=True))
            if address.revision:
                api.create_branch(address.name, branch=address.revision, exist_ok=True)
            commit(api, address, folder, before, f"Upload {run.entry.name} with pixel-zoo")
    return bundle, url


def commit(api: HfApi, address: Address, folder: Path, before: set[str], message: str) -> None:
    """Upload the files of a folder in one commit, in which files of an older bundle that are gone are deleted."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = sorted(file.name for file in folder.iterdir())
    adds = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in names]
    gone = [CommitOperationDelete(path_in_repo=name) for name in LIMITS if name in before and name not in names]
    branch = address.revision or "main"
    api.create_commit(address.name, operations=[*adds, *gone], commit_message=message, revision=branch)


def check_existing(api: HfApi, address: Address, run: Run, temporary: Path, force: bool) -> set[str]:
    """Return the files that a model has; ZooError if it is not one of the same entry."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = api.model_info(address.name, revision=address.revision)
    except RepositoryNotFoundError:
        return set()
    except RevisionNotFoundError:
        info = api.model_info(address.name)  # a new branch begins with the files of the main one
    names = {file.rfilename for file in info.siblings or ()}
    if force or names <= COMMON:
        return names
    if MANIFEST not in names:
        raise ZooError(f"hf:{address.name} has files that are not the zoo's", "add to them with --force")
    folder = temporary / "before"
    folder.mkdir()
    for name in (MANIFEST, "entry.json"):
        if name in names:
            api.hf_hub_download(address.name, name, revision=info.sha, local_dir=folder)
    found = read_name(folder)
    if found != run.entry.name:
        raise ZooError(f"hf:{address.name} has the entry {found!r}, not {run.entry.name!r}", "replace it with --force")
    return names


def read_name(folder: Path) -> str:
    """Return the name of the entry in a folder; empty if there is none."""
    from zoo.runs.run import read_json

    with suppress(RunError, AttributeError):
        return str(read_json(folder / "entry.json").get("name"))[:80]
    return ""


def download(text: str, folder: Path) -> str:
    """Download the files of a bundle into an empty folder; return its address with the commit."""
    address = Address.read(text)
    with hub_errors(address, DOWNLOAD):
        api = connect()
        info = api.model_info(address.name, revision=address.revision, files_metadata=True)
        sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or () if file.rfilename in LIMITS}
        where = Path(f"hf:{address.name}")
        check_names(where, sizes.items())
        check_required(where, sizes)
        for name in sizes:
            api.hf_hub_download(address.name, name, revision=info.sha, local_dir=folder)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
    return f"hf:{address.name}@{info.sha}"


def connect() -> HfApi:
    """Return the client of the hub, which reads the user's token and HF_ENDPOINT."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingError("the hub needs the package huggingface-hub", INSTALL) from error
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="pixel-zoo")


@contextmanager
def hub_errors(address: Address, what: str) -> Iterator[None]:
    """Turn the many errors of the hub's client into one line, and keep the client quiet."""
    with quiet_client():
        try:
            yield
        except ZooError:
            raise
        except Exception as error:
            known = type(error).__module__.partition(".")[0] in CLIENT or isinstance(error, OSError | ValueError)
            raise (describe(error, address, what) if known else error) from error


def describe(error: Exception, address: Address, what: str) -> ZooError:
    """Describe an error of the hub's client; a JobError is one that may be over later."""
    from huggingface_hub import errors

    name, status = f"hf:{address.name}", getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return JobError(f"cannot {what} {name}: HF_HUB_OFFLINE is set", "unset it, or use a folder or a .zip file")
    if status == 429 or status >= 500:
        return JobError(f"cannot {what} {name}: the hub answered {status}", "try again later")
    if status or isinstance(error, errors.LocalTokenNotFoundError | errors.HFValidationError):
        return refusal(error, status, name, what)
    reason = one_line(str(root_cause(error)) or type(error).__name__)[:160]
    return JobError(f"cannot {what} {name}: {reason}", "check the connection and HF_ENDPOINT, then repeat the command")


def refusal(error: Exception, status: int, name: str, what: str) -> ZooError:
    """Describe why the hub refuses a request."""
    from huggingface_hub import errors

    if isinstance(error, errors.RevisionNotFoundError):
        text, hint = f"{name} has no such revision", "see the branches and tags on its page"
    elif isinstance(error, errors.GatedRepoError):
        text, hint = f"{name} is gated, and you have no access", f"ask for it on its page, and {LOGIN}"
    elif status in (0, 401) and not isinstance(error, errors.HFValidationError):
        text, hint = f"cannot {what} {name}: the hub accepts no token of yours", f"check the name, and {LOGIN}"
    elif status == 404:
        text, hint = f"there is no model {name}, or it is private", f"check the name, or {LOGIN}"
    elif status == 403:
        text, hint = f"you may not {what} {name}", "use a token with the right, see `hf auth whoami`"
    else:
        text, hint = f"the hub refused to {what} {name}: {getattr(error, 'server_message', None) or error}"[:300], ""
    return ZooError(text, hint)


def root_cause(error: BaseException) -> BaseException:
    """Return the first error of a chain: the client reports a lost connection as a missing file."""
    while isinstance(error.__cause__, BaseException) and error.__cause__ is not error:
        error = error.__cause__
    return error


@contextmanager
def quiet_client() -> Iterator[None]:
    """Show no progress bars and warnings of the hub's client meanwhile."""
    try:
        from huggingface_hub.utils import logging
        from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    except ImportError as error:
        raise MissingError("the hub needs the package huggingface-hub", INSTALL) from error
    shown, level = not are_progress_bars_disabled(), logging.get_verbosity()
    disable_progress_bars()
    logging.set_verbosity(ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            enable_progress_bars()
