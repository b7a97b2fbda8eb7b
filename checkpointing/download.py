"""Downloads published checkpoints, and unpacks archives of checkpoints.

    checkpoints/inception_v3_2016_08_28/          the unpacked archive
    checkpoints/inception_v3_2016_08_28.tar.gz    an archive that the user put there
    checkpoints/downloads.json                    size and SHA-256 of every unpacked archive

Few archives have a published digest. For the others, the size and SHA-256 of the first download are
recorded, and later downloads are compared with them. A mirror is one folder that holds the archives
under their names in `CHECKPOINTS`, with the suffix .tar.gz or .tgz.
"""

import datetime
import json
import os
import re
from pathlib import Path

from checkpointing.checkpoint_path import ARCHIVE_SUFFIXES, NONE, check_checkpoint_path
from checkpointing.files import latest_checkpoint_in, refuse_glob_characters
from checkpointing.published import CHECKPOINTS
from system.archives import unpack
from system.download import Archive, download, is_published, local_path
from system.errors import BadInput
from system.files import atomic_write, file_digest, make_durable, staging_folder
from system.locks import locked

DIR_VARIABLE, MIRROR_VARIABLE = "CHECKPOINTS_DIR", "CHECKPOINTS_MIRROR"
DEFAULT_DIR = "checkpoints"
ORIGIN = ".archive.json"  # in an unpacked folder: size and SHA-256 of its archive
MAX_UNPACKED = 4_000_000_000  # bytes; the largest, NASNet's, unpacks to about 1e9
_MIRROR = f"--checkpoints_mirror or {MIRROR_VARIABLE}"
_DATE = re.compile(r"_\d{4}_\d\d_\d\d$")


def resolve_checkpoint_path(path_or_name, model_name=None, checkpoints_dir=None, mirror=None):
    """Returns the checkpoint that --checkpoint_path means; downloads and unpacks it if necessary.

    Args:
      path_or_name: as for `check_checkpoint_path`, or its result.
      model_name: as for `check_checkpoint_path`.
      checkpoints_dir: as for `fetch_published`.
      mirror: as for `fetch_published`.

    Returns:
      The path of a V1 file, a V2 prefix or a Keras file, a str; None for `none`.

    Raises:
      BadInput: as `check_checkpoint_path`; or it cannot be downloaded, unpacked or written.
    """
    found = check_checkpoint_path(path_or_name, model_name)
    if found == NONE:
        return None
    if found in CHECKPOINTS:
        return fetch_published(found, checkpoints_dir, mirror)
    return unpack_beside(found) if found.endswith(ARCHIVE_SUFFIXES) else found


def checkpoints_folder(checkpoints_dir=None):
    """Returns the folder of published checkpoints: as given, else CHECKPOINTS_DIR or default."""
    return Path(checkpoints_dir or os.environ.get(DIR_VARIABLE) or DEFAULT_DIR)


def fetch_published(name, checkpoints_dir=None, mirror=None):
    """Returns a published checkpoint, which is downloaded and unpacked once.

    If several processes want it, one downloads it and the others wait.

    Args:
      name: a key of `CHECKPOINTS`.
      checkpoints_dir: the folder of the checkpoints; None for the environment variable
        CHECKPOINTS_DIR, else `checkpoints`.
      mirror: the URL or the folder of a mirror; None for the environment variable
        CHECKPOINTS_MIRROR, else the published address.

    Returns:
      The path of a V1 file or a V2 prefix, a str.

    Raises:
      BadInput: there is no internet access, no space on the disk, or the archive differs from the
        published one or from that of the first download.
    """
    checkpoints_dir = checkpoints_folder(checkpoints_dir)
    refuse_glob_characters(checkpoints_dir)
    found = find_downloaded(name, checkpoints_dir)
    if found:
        return found
    try:
        checkpoints_dir.mkdir(parents=True, exist_ok=True)
        with locked(checkpoints_dir / f".{name}.lock"):
            return find_downloaded(name, checkpoints_dir) or _install(
                name, checkpoints_dir, mirror or os.environ.get(MIRROR_VARIABLE)
            )
    except OSError as error:
        raise BadInput(
            f"{checkpoints_dir}: cannot write {name} ({error.strerror or error}); free some space, "
            f"or choose another folder with --checkpoints_dir or {DIR_VARIABLE}"
        ) from error


def find_downloaded(name, checkpoints_dir):
    """Returns the path of a published checkpoint in `checkpoints_dir`, or None.

    Its files may also lie in `checkpoints_dir` itself.
    """
    folder = Path(checkpoints_dir, name)
    if folder.is_dir():
        return latest_checkpoint_in(folder, cure="remove the folder to download it again")
    undated = _DATE.sub("", name)  # the name of the file in the archive
    stems = [name] if undated in CHECKPOINTS else [name, undated]
    for path in (folder.with_name(f"{stem}.ckpt") for stem in stems):
        if path.is_file() or path.with_name(f"{path.name}.index").is_file():
            return str(path)
    return None


def archive_file(name):
    """Returns the file name of a published checkpoint's archive, in a folder and on a mirror."""
    return name + CHECKPOINTS[name].suffix


def unpack_beside(path):
    """Returns the latest checkpoint in an archive, which is unpacked once, into a folder beside it.

    Args:
      path: the archive, such as `model.tar.gz`; the folder is then `model`.

    Returns:
      The path of a V1 file or a V2 prefix, a str.

    Raises:
      BadInput: the archive cannot be unpacked; the folder exists but does not come from it; or it
        holds no checkpoint, or several and it is unclear which is the latest.
    """
    path = Path(path)
    refuse_glob_characters(path)
    suffix = next(each for each in ARCHIVE_SUFFIXES if path.name.endswith(each))
    folder = path.with_name(path.name.removesuffix(suffix))
    try:
        identity = _identity(path)
        if not folder.is_dir():
            with locked(path.with_name(f".{folder.name}.lock")):
                if not folder.is_dir():
                    _unpack(path, folder, identity)
        origin = folder / ORIGIN
        is_from_archive = origin.is_file() and origin.read_text(errors="replace") == identity
    except OSError as error:
        raise BadInput(
            f"{folder}: cannot unpack {path.name} there ({error.strerror or error}); move the "
            "archive to a writable folder with enough space"
        ) from error
    if not is_from_archive:
        raise BadInput(
            f"{folder} does not come from {path}; remove or rename the folder to unpack the "
            "archive there"
        )
    return latest_checkpoint_in(folder)


def _install(name, checkpoints_dir, mirror):
    """Downloads and unpacks a published checkpoint; returns its path."""
    folder, records = checkpoints_dir / name, checkpoints_dir / "downloads.json"
    published = CHECKPOINTS[name]
    archive = Archive(
        url=published.url,
        digest=published.digest,
        max_unpacked=MAX_UNPACKED,
        mirror=_MIRROR,
        alternative="train_flowers.py --checkpoint_path none trains from scratch without it",
    )
    path, source = _find_archive(name, checkpoints_dir, mirror)
    if path is None:
        path = checkpoints_dir / archive_file(name)
        print(f"Downloading {source} to {folder}", flush=True)
        download(source, path, archive)
    else:
        print(f"Unpacking {path} to {folder}", flush=True)
        if not is_published(path, archive):
            raise BadInput(
                f"{path} is not the published {published.url} ({path.stat().st_size:,} bytes, "
                f"expected {published.digest}); remove it to download it again"
            )
    identity = _identity(path)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    facts = {"url": source, **json.loads(identity), "date": today}
    _compare_with_record(name, path, facts, records)
    _unpack(path, folder, identity)
    with locked(records.with_name(f".{records.name}.lock")):
        known = _read_records(records)
        known.setdefault(name, facts)
        with atomic_write(records) as partial:
            partial.write_text(json.dumps(known, indent=2) + "\n")
    if local_path(source) is None:
        path.unlink()  # a user's own archive is kept
    return latest_checkpoint_in(folder)


def _find_archive(name, checkpoints_dir, mirror):
    """Locates the archive of a published checkpoint.

    Returns:
      Its path, None if it must be downloaded; and the same or the URL, a str.
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
            f"{path}: no such file; give {_MIRROR} the URL or the folder that holds this archive"
        )
    return path, str(path)


def _compare_with_record(name, path, facts, records):
    """Raises BadInput if the archive differs from the one that was unpacked before."""
    known = _read_records(records).get(name)
    if known and (known["num_bytes"], known["sha256"]) != (facts["num_bytes"], facts["sha256"]):
        now, then = (f"{each['num_bytes']:,} bytes, {each['sha256']}" for each in (facts, known))
        raise BadInput(
            f"{path} differs from the archive of {known['date']} ({now}; it was {then}); remove "
            f"the file to download it again, or remove {name} from {records} to accept it"
        )


def _read_records(records):
    """Returns the content of downloads.json: name -> url, num_bytes, sha256, date."""
    if not records.is_file():
        return {}
    try:
        known = json.loads(records.read_text())
        for facts in known.values():
            int(facts["num_bytes"]), str(facts["sha256"]), str(facts["date"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{records} is broken ({error}); remove it to record later downloads again"
        ) from error
    return known


def _unpack(path, folder, identity):
    """Unpacks an archive that holds a checkpoint into `folder`, completely or not at all."""
    with staging_folder(folder) as staging:
        unpack(path, staging, MAX_UNPACKED)
        latest_checkpoint_in(staging, archive=path, cure="download it again")
        (staging / ORIGIN).write_text(identity)
        for file in staging.rglob("*"):
            if file.is_file():
                make_durable(file)
        staging.rename(folder)


def _identity(path):
    """Returns the content of `ORIGIN` for an archive, a line of JSON."""
    identity = {"num_bytes": path.stat().st_size, "sha256": file_digest(path)}
    return json.dumps(identity) + "\n"
