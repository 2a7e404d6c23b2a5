"""The making of a history: environments are made, and the same runs made in each."""

import platform
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from packaging.version import Version

from telemetry import assets, environments, history, package_index, repertoire, setups
from telemetry.bisection import turning_points
from telemetry.environments import Environment, UnresolvableError
from telemetry.fields import Dictionary
from telemetry.history import Dependencies, History, Setup, Step
from telemetry.package_index import Release
from telemetry.repertoire import Run

STRIPEPY = "stripepy-hic"
SDK = "opentelemetry-sdk"

CACHE = assets.ROOT / "build" / "releases"

PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {"Linux": "Linux", "Darwin": "macOS", "Windows": "Windows"}

AT_ONCE = 2

FLAGS: dict[Dependencies, tuple[str, ...]] = {
    "lowest": ("--resolution", "lowest"),
    "lowest-direct": ("--resolution", "lowest-direct"),
    "locked": ("--constraints", "requirements-dev.txt"),
    "newest": (),
    "pre-releases": ("--prerelease", "allow"),
}
"""How uv is asked for each choice of dependencies; a contemporary one needs a date as well."""

_LOCKS: defaultdict[Path, Lock] = defaultdict(Lock)

Tell = Callable[[Setup], None]


@dataclass(frozen=True)
class Job:
    """A release to be looked at, with one choice of dependencies."""

    release: Release
    dependencies: Dependencies
    python: Path = Path(sys.executable)

    def resolve(self) -> Environment:
        """Choose the packages.

        Raises:
            UnresolvableError: If nothing fits.
            UserError: If the index cannot be reached.
        """
        if self.dependencies == "contemporary":
            # What was uploaded at the very moment would be left out, and that is the release.
            moment = datetime.fromisoformat(self.release.uploaded) + timedelta(seconds=1)
            flags: tuple[str, ...] = ("--exclude-newer", moment.isoformat(timespec="seconds"))
        else:
            flags = FLAGS[self.dependencies]
        wanted = [f"{STRIPEPY}[all]=={self.release.version}"]
        if self.dependencies == "lowest-direct":
            # To uv, what StripePy asks for is not direct, unless we ask for it ourselves.
            newest = Job(self.release, "newest", self.python).resolve()
            with _LOCKS[newest.folder]:
                wanted += environments.asked_for(newest.make(), STRIPEPY)
        return environments.resolve(wanted, *flags, python=self.python, cache=CACHE)


def jobs(releases: Sequence[Release]) -> list[Job]:
    """Every release, as it was when it came out and as it is installed today."""
    choices: tuple[Dependencies, ...] = ("contemporary", "newest")
    return [Job(release, choice) for release in releases for choice in choices]


def look(job: Job, dictionary: Dictionary) -> Setup:
    """Run a release with one choice of dependencies, and put together what it sent.

    Raises:
        UserError: If something cannot be fetched.
    """
    if job.dependencies == "contemporary" and not job.release.uploaded:
        reason = "the package index does not tell when it was uploaded"
        return _unseen(job, "not tried", reason)
    try:
        environment = job.resolve()
    except UnresolvableError as error:
        return _unseen(job, "cannot run", error.message)
    seen = _observe(environment, repertoire.runs())
    return summary(job, environment.packages, seen, dictionary)


def _observe(environment: Environment, wanted: Sequence[Run]) -> list[repertoire.Seen]:
    # Two choices of dependencies can come to the same environment.
    with _LOCKS[environment.folder]:
        seen = list(repertoire.observe(environment.make, wanted, environment.folder / "runs"))
    with _LOCKS[CACHE]:
        environments.prune(CACHE)
    return seen


def summary(
    job: Job, packages: dict[str, str], seen: Sequence[repertoire.Seen], dictionary: Dictionary
) -> Setup:
    """Put together what the runs of one environment sent."""
    state, reason = setups.state(seen)
    return Setup(
        release=str(job.release.version),
        uploaded=job.release.uploaded[:10],
        dependencies=job.dependencies,
        python=seen[0].versions.get("python", ""),
        state=state,
        reason=reason,
        packages=packages,
        fields=setups.fields(seen, dictionary),
        switches=setups.switches(seen),
        settings=setups.settings(seen),
        destinations=setups.destinations(seen),
        runs=setups.runs(seen),
    )


def _unseen(job: Job, state: history.State, reason: str) -> Setup:
    return Setup(
        release=str(job.release.version),
        uploaded=job.release.uploaded[:10],
        dependencies=job.dependencies,
        python="",
        state=state,
        reason=reason,
        packages={},
        fields={},
        switches={},
        settings={},
        destinations=[],
        runs=[],
    )


def look_at(wanted: Sequence[Job], dictionary: Dictionary, tell: Tell) -> list[Setup]:
    """Look at releases, two at once.

    Raises:
        UserError: If something cannot be fetched.
    """

    def work(job: Job) -> Setup:
        setup = look(job, dictionary)
        tell(setup)
        return setup

    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = [pool.submit(work, job) for job in wanted]
        try:
            return [future.result() for future in under_way]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def compile_history(dictionary: Dictionary, tell: Tell) -> History:
    """Look at every release, and at the newest with all that it may be installed with.

    Raises:
        UserError: If something cannot be fetched.
    """
    releases = package_index.releases(STRIPEPY)
    newest = releases[-1]
    installed = environments.pythons()
    others = [python for python in PYTHONS if python != _here() and python in installed]
    plan = {
        "setups": jobs(releases),
        "range": [Job(newest, choice) for choice in FLAGS],
        "pythons": [Job(newest, "newest", installed[python]) for python in others],
    }
    flat = list(dict.fromkeys(job for part in plan.values() for job in part))
    found = dict(zip(flat, look_at(flat, dictionary, tell), strict=True))
    parts = {name: [found[job] for job in part] for name, part in plan.items()}
    both = [[s for s in parts["setups"] if s.dependencies == d] for d in ("contemporary", "newest")]
    return History(
        version=1,
        platform=f"{platform.system()} {platform.machine()}",
        differences=[step for kind in both for step in history.differences(kind)],
        bisected=bisect(SDK, newest, dictionary, low=parts["range"][0].sdk),
        not_tried=[
            *(f"Python {python}" for python in PYTHONS if python not in {_here(), *others}),
            *(name for system, name in PLATFORMS.items() if system != platform.system()),
        ],
        **parts,
    )


def _here() -> str:
    return "{}.{}".format(*sys.version_info)


def bisect(
    package: str, release: Release, dictionary: Dictionary, *, low: str = "", high: str = ""
) -> list[Step]:
    """Name the releases of a dependency with which something changed.

    Everything else is as new as it can be together with that release.

    Args:
        package: The dependency.
        release: The release of StripePy.
        dictionary: What varies.
        low: First release of the dependency to look at; empty for the oldest that fits.
        high: Last one; empty for the newest that fits.

    Raises:
        UserError: If something cannot be fetched, or no release fits.
    """
    known = [r.version for r in package_index.releases(package) if not r.version.is_prerelease]
    looked: dict[Version, Setup] = {}

    def resolve(version: Version) -> Environment:
        wanted = [f"{STRIPEPY}[all]=={release.version}", f"{package}=={version}"]
        return environments.resolve(wanted, cache=CACHE)

    def probe(version: Version) -> Setup:
        environment = resolve(version)
        seen = _observe(environment, repertoire.quick())
        job = Job(release, "newest")
        looked[version] = summary(job, environment.packages, seen, dictionary)
        return looked[version]

    fitting = [
        version
        for version in known
        if (not low or version >= Version(low)) and (not high or version <= Version(high))
    ]
    while fitting and not _fits(resolve, fitting[0]):
        del fitting[0]
    while fitting and not _fits(resolve, fitting[-1]):
        del fitting[-1]
    points = turning_points(fitting, probe, lambda a, b: not history.changes(a, b))
    return [
        Step(
            package=package,
            before=str(before),
            after=str(after),
            dependencies="newest",
            changes=history.changes(looked[before], looked[after]),
        )
        for before, after in points
    ]


def _fits(resolve: Callable[[Version], Environment], version: Version) -> bool:
    try:
        resolve(version)
    except UnresolvableError:
        return False
    return True


def observe_here(
    interpreter: Path, wanted: Sequence[Run], folder: Path, dictionary: Dictionary
) -> Setup:
    """Run the stripepy of an environment that somebody else made.

    Args:
        interpreter: Its Python.
        wanted: The runs to make.
        folder: Empty folder for what is run.
        dictionary: What varies.
    """
    seen = list(repertoire.observe(lambda: interpreter, wanted, folder))
    version = Version(seen[0].versions.get(STRIPEPY, "0"))
    return summary(Job(Release(version, ""), "newest"), seen[0].versions, seen, dictionary)
