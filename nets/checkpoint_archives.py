"""The archives of checkpoints: fetched, checked, and unpacked into a folder each.

    checkpoints/inception_v3_2016_08_28/          what the archive of that name holds
    checkpoints/inception_v3_2016_08_28.tar.gz    an archive that was put there by hand
    checkpoints/downloads.json                    size and sha256 of each archive that was unpacked

Few archives have a published digest. Of the others, size and sha256 are kept when they are unpacked
first and compared when they are fetched again. A mirror holds the archives by their names in
`CHECKPOINTS`, with .tar.gz or .tgz, in one folder.
"""

import datetime
import json
import os
import re
from pathlib import Path

from archives import unpack
from bad_input import BadInput
from download import Archive, download, is_published, local_path
from files import file_digest, folder_beside, locked, make_durable, written_aside
from nets.checkpoint_files import ARCHIVE_SUFFIXES, checkpoint_in, refuse_pattern
from nets.checkpoints import CHECKPOINTS

DIR_VARIABLE, MIRROR_VARIABLE = "CHECKPOINTS_DIR", "CHECKPOINTS_MIRROR"
DEFAULT_DIR = "checkpoints"
ORIGIN = ".archive.json"  # in a folder that was unpacked: size and sha256 of its archive
MAX_UNPACKED = 4_000_000_000  # bytes; the largest, of NASNet, has about one thousand million
_MIRROR = f"--checkpoints_mirror or {MIRROR_VARIABLE}"
_DATE = re.compile(r"_\d{4}_\d\d_\d\d$")


def checkpoints_folder(checkpoints_dir=None):
    """The folder of published checkpoints: as given, of the environment, or `checkpoints`."""
    return Path(checkpoints_dir or os.environ.get(DIR_VARIABLE) or DEFAULT_DIR)


def fetch(name, checkpoints_dir=None, mirror=None, progress=True):
    """The published checkpoint `name`, fetched and unpacked where it is not here yet.

    Of several processes one fetches, and the others wait and find its work done.

    Args:
      name: a key of `CHECKPOINTS`.
      checkpoints_dir: where they are kept; None for the environment variable CHECKPOINTS_DIR, else
        the folder `checkpoints`.
      mirror: the URL or the folder of a mirror; None for the environment variable
        CHECKPOINTS_MIRROR, else the published address.
      progress: whether a terminal sees a progress bar.

    Returns:
      The path of a V1 file or a V2 prefix, a str.

    Raises:
      BadInput: no network, another archive than the published one or than the first time, or no
        room on the disk.
    """
    checkpoints_dir = checkpoints_folder(checkpoints_dir)
    refuse_pattern(checkpoints_dir)
    here = find_here(name, checkpoints_dir)
    if here:
        return here
    try:
        checkpoints_dir.mkdir(parents=True, exist_ok=True)
        with locked(checkpoints_dir / f".{name}.lock"):
            return find_here(name, checkpoints_dir) or _install(
                name, checkpoints_dir, mirror or os.environ.get(MIRROR_VARIABLE), progress
            )
    except OSError as error:
        raise BadInput(
            f"{checkpoints_dir}: {name} cannot be put there ({error.strerror or error}); make "
            f"room, or choose another folder with --checkpoints_dir or {DIR_VARIABLE}"
        ) from error


def find_here(name, checkpoints_dir):
    """The path of the published checkpoint `name` in `checkpoints_dir`; None where it is not there.

    It is found, too, where its archive was unpacked into `checkpoints_dir` itself.
    """
    folder = Path(checkpoints_dir, name)
    if folder.is_dir():
        return checkpoint_in(folder, cure="remove it and it is fetched anew")
    undated = _DATE.sub("", name)  # as the file in the archive is called
    stems = [name] if undated in CHECKPOINTS else [name, undated]
    for path in (folder.with_name(f"{stem}.ckpt") for stem in stems):
        if path.is_file() or path.with_name(f"{path.name}.index").is_file():
            return str(path)
    return None


def archive_file(name):
    """The name under which the archive of the checkpoint `name` lies in a folder or on a mirror."""
    return name + CHECKPOINTS[name].suffix


def unpack_beside(path):
    """The newest checkpoint in an archive, which is unpacked into a folder beside it once.

    Args:
      path: the path of `model.tar.gz`, or with another of `ARCHIVE_SUFFIXES`; the folder is
        `model`.

    Returns:
      The path of a V1 file or a V2 prefix, a str.

    Raises:
      BadInput: it cannot be unpacked; there is a folder `model` that came from elsewhere; or it
        holds no checkpoint, or several and nothing says which is the newest.
    """
    path = Path(path)
    refuse_pattern(path)
    suffix = next(each for each in ARCHIVE_SUFFIXES if path.name.endswith(each))
    folder = path.with_name(path.name.removesuffix(suffix))
    try:
        identity = _identity(path)
        if not folder.is_dir():
            with locked(path.with_name(f".{folder.name}.lock")):
                if not folder.is_dir():
                    _unpack(path, folder, identity)
        came_from_it = _is_from(identity, folder)
    except OSError as error:
        raise BadInput(
            f"{folder}: {path.name} cannot be unpacked there ({error.strerror or error}); move it "
            "to a folder that is writable and has room"
        ) from error
    if not came_from_it:
        raise BadInput(
            f"{folder} is not what {path} unpacks to; remove or rename the folder, and the archive "
            "is unpacked there"
        )
    return checkpoint_in(folder)


def _install(name, checkpoints_dir, mirror, progress):
    """Fetches and unpacks the checkpoint `name`; returns its path."""
    folder, records = checkpoints_dir / name, checkpoints_dir / "downloads.json"
    path, source = _find_archive(name, checkpoints_dir, mirror)
    if path is None:
        path = checkpoints_dir / archive_file(name)
        print(f"Fetching {source} to {folder}", flush=True)
        download(source, path, _archive(name), progress)
    else:
        print(f"Unpacking {path} to {folder}", flush=True)
        _check_digest(path, name)
    identity = _identity(path)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    seen = {"url": source, **identity, "date": today}
    _compare(name, path, seen, records)
    _unpack(path, folder, identity)
    _record(name, seen, records)
    if local_path(source) is None:
        path.unlink()  # what was fetched is in the folder now; what was put there by hand stays
    return checkpoint_in(folder)


def _archive(name):
    return Archive(
        url=CHECKPOINTS[name].url,
        digest=CHECKPOINTS[name].digest,
        max_unpacked=MAX_UNPACKED,
        mirror=_MIRROR,
        otherwise="a training with --checkpoint_path none begins from scratch",
    )


def _find_archive(name, checkpoints_dir, mirror):
    """Where the archive is.

    Returns:
      Its path, None where it has to be fetched; and the path or the URL, a str.
    """
    by_hand = checkpoints_dir / archive_file(name)
    if by_hand.is_file():
        return by_hand, str(by_hand)
    if not mirror:
        return None, CHECKPOINTS[name].url
    folder = local_path(mirror)
    if folder is None:
        return None, f"{mirror.rstrip('/')}/{archive_file(name)}"
    path = folder / archive_file(name)
    if not path.is_file():
        raise BadInput(
            f"{path}: no such file; the mirror, of {_MIRROR}, has to be the URL or the "
            "folder that holds it"
        )
    return path, str(path)


def _check_digest(path, name):
    if not is_published(path, _archive(name)):
        raise BadInput(
            f"{path}: is not the published {CHECKPOINTS[name].url} ({path.stat().st_size:,} bytes, "
            f"expected {CHECKPOINTS[name].digest}); remove it and it is fetched anew"
        )


def _compare(name, path, seen, records):
    """Raises BadInput where the archive is not the one that was unpacked the first time."""
    known = _read(records).get(name)
    if known and (known["num_bytes"], known["sha256"]) != (seen["num_bytes"], seen["sha256"]):
        now, then = (f"{facts['num_bytes']:,} bytes, {facts['sha256']}" for facts in (seen, known))
        raise BadInput(
            f"{path}: is another archive than that of {known['date']} ({now}; it was {then}); "
            f"remove the file to fetch it again, or remove {name} from {records} to accept it"
        )


def _record(name, seen, records):
    with locked(records.with_name(f".{records.name}.lock")):
        known = _read(records)
        with written_aside(records) as aside:
            aside.write_text(json.dumps({**known, name: known.get(name, seen)}, indent=2) + "\n")


def _read(records):
    """What downloads.json holds: name -> url, num_bytes, sha256, date.

    Raises:
      BadInput: it is broken.
    """
    if not records.is_file():
        return {}
    try:
        known = json.loads(records.read_text())
        for facts in known.values():
            int(facts["num_bytes"]), str(facts["sha256"]), str(facts["date"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{records} is broken ({error}); remove it, and what is fetched is recorded anew"
        ) from error
    return known


def _unpack(path, folder, identity):
    """Unpacks an archive that holds a checkpoint into `folder`, which is there whole or not."""
    with folder_beside(folder) as aside:
        unpack(path, aside, MAX_UNPACKED)
        checkpoint_in(aside, archive=path, cure="fetch it anew")
        (aside / ORIGIN).write_text(json.dumps(identity) + "\n")
        for file in aside.rglob("*"):
            if file.is_file():
                make_durable(file)
        aside.rename(folder)


def _identity(path):
    """What tells one archive from another; `ORIGIN` holds it in a folder that was unpacked."""
    return {"num_bytes": path.stat().st_size, "sha256": file_digest(path)}


def _is_from(identity, folder):
    """Whether `folder` was unpacked from the archive of that identity."""
    origin = folder / ORIGIN
    return origin.is_file() and origin.read_text(errors="replace") == json.dumps(identity) + "\n"
