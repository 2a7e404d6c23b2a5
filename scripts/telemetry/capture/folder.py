"""The private folder of a run: what the run finds there, and what it leaves behind."""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telemetry.records.runs import Observation, Run

RECORD_VARIABLE = "STRIPEPY_CAPTURE_RECORD"
"""Environment variable that names the file to which the processes of a run append records."""

WATCHER = Path(__file__).parent / "watcher"
"""Folder that, put on PYTHONPATH, makes every interpreter of a run load the watcher."""


@dataclass(frozen=True)
class PrivateFolder:
    """The folder of one run."""

    root: Path  # the folder itself
    work: Path  # the working directory of the run
    home: Path  # its home folder

    @property
    def temporary(self) -> Path:
        """The folder for temporary files; its name is short, since names of sockets are limited."""
        return self.root / "t"

    @property
    def record(self) -> Path:
        """The file to which processes of the run append records."""
        return self.root / "record"

    def fill(self, run: Run, files: Path, host: str = "") -> None:
        """Create a run's folders, its inputs from `files`, and home files that may name `host`."""
        for folder in (self.work, self.home, self.temporary):
            folder.mkdir()
        self.place_inputs(run, files)
        for name, text in run.home_files.items():
            (self.home / name).parent.mkdir(exist_ok=True)
            (self.home / name).write_text(text.replace("{host}", host))
            (self.home / name).chmod(0o600)
        if run.fonts:
            shutil.copytree(files / "fonts", self.home / ".cache" / "matplotlib")
        self.record.touch()

    def place_inputs(self, run: Run, files: Path, *, linked: bool = False) -> None:
        """Put the inputs of a run into its working directory.

        They are copied, since most users run on plain files; those from outside `files`, which
        can be large, are linked instead, and with `linked` all are.
        """
        for name, target in run.inputs.items():
            source, place = (files / target).absolute(), self.work / name
            if linked or Path(target).is_absolute():
                place.symlink_to(source)
            else:
                shutil.copyfile(source, place)

    def times(self) -> dict[Path, int]:
        """Return when each file and empty folder last changed, in ns; links are followed."""
        return {
            path: path.stat(follow_symlinks=path.exists()).st_ctime_ns
            for folder in (self.work, self.home, self.temporary)
            for path in sorted(folder.rglob("*"))
            if not (path.is_dir() and any(path.iterdir()))
        }

    def keep(self, run: Run, files: Path) -> None:
        """Copy the files that a run is to leave, as far as it made them, to `files`."""
        for name, kept in run.keep.items():
            if (self.work / name).exists():
                shutil.copy(self.work / name, files / kept)

    def observation(
        self,
        run: Run,
        before: Mapping[Path, int],
        exit_status: int | None,
        started: float,
        ended: float,
    ) -> Observation:
        """Return what the folder shows of a run, and what its processes recorded.

        `before` is what `times` returned before the run; `exit_status` is None after a timeout;
        `started` and `ended` are in seconds since the epoch.
        """
        after = self.times()
        recorded = defaultdict[str, list[Any]](list)
        for line in self.record.read_text().splitlines():
            for key, value in json.loads(line).items():
                recorded[key].append(value)
        return Observation(
            run=run,
            exit_status=-signal.SIGKILL if exit_status is None else exit_status,
            timed_out=exit_status is None,
            started=started,
            ended=ended,
            stdout=(self.root / "stdout").read_text(errors="replace"),
            stderr=(self.root / "stderr").read_text(errors="replace"),
            files={
                path.relative_to(self.root).as_posix(): _digest(path) if path.is_file() else ""
                for path in sorted({*before, *after})
                if before.get(path) != after.get(path)
            },
            folder=str(self.work),
            bodies=tuple(map(base64.b64decode, recorded["body"])),
            attempts=tuple(recorded["attempt"]),
            exporters=tuple(recorded["exporter"]),
            versions=next(iter(recorded["versions"]), {}),
            missing=" and ".join(recorded["missing"]),
            provided=any(recorded["provided"]),
            finished=bool(recorded["finished"]),
            variables=tuple(recorded["variable"]),
            written_elsewhere=tuple(recorded["written"]),
            parser=tuple(next(iter(recorded["parser"]), ())),
        )

    def environment(
        self,
        run: Run,
        interpreter: Path,
        paths: Sequence[str],
        variables: Mapping[str, str],
        texts: Mapping[str, str],
    ) -> dict[str, str]:
        """Return the whole environment of a run; of the caller's, it has only LD_LIBRARY_PATH.

        Args:
            interpreter: The Python whose stripepy is run.
            paths: Folders for PYTHONPATH; they and LD_LIBRARY_PATH decide which stripepy is run.
            variables: Variables of every run; those of this run take precedence.
            texts: What replaces each placeholder in variables besides `{home}`.
        """
        environment = {
            "PATH": os.pathsep.join((str(interpreter.parent), os.defpath)),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "COLUMNS": "120",
            **variables,
            **run.environment,
        }
        if "LD_LIBRARY_PATH" in os.environ:
            environment.setdefault("LD_LIBRARY_PATH", os.environ["LD_LIBRARY_PATH"])
        # A run's own PYTHONPATH must not hide the folders that decide which stripepy is run.
        folders = [run.environment.get("PYTHONPATH"), *paths]
        if run.watched:
            folders.insert(0, str(WATCHER))
            environment[RECORD_VARIABLE] = str(self.record)
        if folders := list(filter(None, folders)):
            environment["PYTHONPATH"] = os.pathsep.join(folders)
        for placeholder, text in {"{home}": str(self.home), **texts}.items():
            for name, value in environment.items():
                environment[name] = value.replace(placeholder, text)
        return environment


def caller_paths() -> list[str]:
    """Return the folders of the caller's PYTHONPATH."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [str(Path(path).resolve()) for path in paths if path]


def run_paths() -> list[str]:
    """Return where a run looks for modules; the folders of the caller's PYTHONPATH come first."""
    return [*caller_paths(), *sys.path]


@contextlib.contextmanager
def private_folder(work: str = "work", home: str = "home") -> Iterator[PrivateFolder]:
    """Make a private folder that lasts as long as the context; the arguments name folders in it."""
    with tempfile.TemporaryDirectory(
        prefix="tl-", dir=scratch_folder(), ignore_cleanup_errors=True
    ) as name:
        yield PrivateFolder(Path(name), Path(name, work), Path(name, home))


def scratch_folder() -> str:
    """Return the folder in which private folders are made."""
    # A socket's name has at most 103 characters (on Linux 107). Our folder takes 14, and
    # multiprocessing's socket in it 33; a long TMPDIR, as on clusters, leaves no room for them.
    folder = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(folder)) + 14 + 33 > 103 else folder


# The attribute in which a result file says when it was made.
MADE = re.compile(r"creation-date \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def _digest(path: Path) -> str:
    """SHA-256 of a file; if h5py is loaded, a result file's creation date is left out."""
    if path.suffix == ".hdf5" and "h5py" in sys.modules:
        with contextlib.suppress(OSError):
            return _digest_of_data(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_data(path: Path) -> str:
    import h5py

    digest = hashlib.sha256()

    def visit(name: str, item: Any) -> None:
        attributes = [f"{key} {value}" for key, value in sorted(item.attrs.items())]
        settled = [text for text in attributes if not MADE.fullmatch(text)]
        digest.update(f"{name} {settled}".encode())
        if isinstance(item, h5py.Dataset):
            digest.update(f"{name} {item.dtype} {item.shape}".encode())
            digest.update(repr(item[()].tolist()).encode())

    with h5py.File(path) as file:
        visit("/", file)
        file.visititems(visit)
    return digest.hexdigest()
