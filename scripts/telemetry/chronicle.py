"""The making of a history: environments are made, and the same runs made in each."""

import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from filelock import FileLock
from packaging.utils import canonicalize_name
from packaging.version import Version

from telemetry import assets, environments, history, package_index, repertoire, setups, workers
from telemetry.bisection import turning_points
from telemetry.environments import Environment, UnresolvableError
from telemetry.errors import UserError
from telemetry.fields import Dictionary
from telemetry.history import Dependencies, History, Setup, Step, Stretch
from telemetry.package_index import Release
from telemetry.repertoire import Run

STRIPEPY = "stripepy-hic"
SDK = "opentelemetry-sdk"

CACHE = assets.ROOT / "build" / "releases"

PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {"Linux": "Linux", "Darwin": "macOS", "Windows": "Windows"}

FLAGS: dict[Dependencies, tuple[str, ...]] = {
    "lowest": ("--resolution", "lowest"),
    "lowest-direct": ("--resolution", "lowest-direct"),
    "locked": ("--constraints", "requirements-dev.txt"),
    "newest": (),
    "pre-releases": ("--prerelease", "allow"),
    "pinned": (),
}
"""How uv is asked for each choice of dependencies; a contemporary one needs a date as well."""

RANGE: tuple[Dependencies, ...] = ("lowest", "lowest-direct", "locked", "newest", "pre-releases")

Tell = Callable[[Setup], None]


@dataclass(frozen=True)
class Job:
    """A release to be looked at, with one choice of dependencies.

    Attributes:
        release: The release.
        dependencies: The choice.
        python: The Python to run it with.
        pin: What is asked for besides, if the choice is "pinned".
    """

    release: Release
    dependencies: Dependencies
    python: Path = Path(sys.executable)
    pin: str = ""

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
        wanted = [f"{STRIPEPY}[all]=={self.release.version}", *filter(None, [self.pin])]
        if self.dependencies == "lowest-direct":
            # To uv, what StripePy asks for is not direct, unless we ask for it ourselves.
            newest = Job(self.release, "newest", self.python).resolve()
            with _alone_in(newest):
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
    with _alone_in(environment):
        runs = repertoire.observe(environment.make, repertoire.runs(), environment.folder / "runs")
        return summary(job, environment.packages, list(runs), dictionary)


def _alone_in(environment: Environment) -> AbstractContextManager[object]:
    """Two choices of dependencies, or two commands, can come to the same environment."""
    environment.folder.mkdir(parents=True, exist_ok=True)
    return FileLock(environment.folder / "lock")


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
        switched_off=setups.switched_off(seen),
        switches=setups.switches(seen, dictionary),
        settings=setups.settings(seen, dictionary),
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
        switched_off={},
        switches={},
        settings={},
        destinations=[],
        runs=[],
    )


def look_at(wanted: Sequence[Job], dictionary: Dictionary, tell: Tell) -> list[Setup]:
    """Look at releases.

    Raises:
        UserError: If something cannot be fetched.
    """
    return workers.each(partial(look, dictionary=dictionary), wanted, tell)


def compile_history(dictionary: Dictionary, tell: Tell) -> History:
    """Look at every release, and at the newest with all that it may be installed with.

    Raises:
        UserError: If something cannot be fetched.
    """
    releases = package_index.releases(STRIPEPY)
    newest = releases[-1]
    others = environments.pythons(python for python in PYTHONS if python != _here())
    plan = {
        "setups": jobs(releases),
        "range": [Job(newest, choice) for choice in RANGE],
        "pythons": [Job(newest, "newest", python) for python in others.values()],
    }
    flat = list(dict.fromkeys(job for part in plan.values() for job in part))
    found = dict(zip(flat, look_at(flat, dictionary, tell), strict=True))
    parts = {name: [found[job] for job in part] for name, part in plan.items()}
    both = [[s for s in parts["setups"] if s.dependencies == d] for d in ("contemporary", "newest")]
    stretches = bisect(SDK, newest, dictionary, tell)
    return History(
        version=2,
        platform=f"{platform.system()} {platform.machine()}",
        differences=[step for kind in both for step in history.differences(kind)],
        stretches=stretches,
        bisected=steps(stretches),
        not_tried=[
            *(f"Python {python}" for python in PYTHONS if python not in {_here(), *others}),
            *(name for system, name in PLATFORMS.items() if system != platform.system()),
        ],
        **parts,
    )


def _here() -> str:
    return "{}.{}".format(*sys.version_info)


def bisect(
    package: str,
    release: Release,
    dictionary: Dictionary,
    tell: Tell,
    *,
    low: str = "",
    high: str = "",
) -> list[Stretch]:
    """Divide the releases of a dependency where something changed.

    Everything else is as new as it can be together with each.

    Args:
        package: The dependency.
        release: The release of StripePy.
        dictionary: What varies.
        tell: Called with each set-up as it was seen.
        low: First release of the dependency to look at; empty for the lowest that is accepted.
        high: Last one; empty for the newest.

    Returns:
        Stretches without a change, oldest first.

    Raises:
        UserError: If something cannot be fetched, or StripePy does not come with that package.
    """
    package = canonicalize_name(package)
    newest = Job(release, "newest").resolve().packages
    if package not in newest:
        raise UserError(
            f"{STRIPEPY} {release.version} is not installed with {package}",
            f"choose from {', '.join(newest)}",
        )
    low = low or Job(release, "lowest").resolve().packages.get(package, "")
    high = high or newest[package]
    known = [r.version for r in package_index.releases(package) if not r.version.is_prerelease]
    looked: dict[Version, Setup] = {}

    def job(version: Version) -> Job:
        return Job(release, "pinned", pin=f"{package}=={version}")

    def probe(versions: Sequence[Version]) -> list[Setup | None]:
        seen = look_at([job(version) for version in versions], dictionary, tell)
        looked.update(zip(versions, seen, strict=True))
        # Without packages, nothing fitted together with that release.
        return [setup if setup.packages else None for setup in seen]

    fitting = [v for v in known if (not low or v >= Version(low)) and v <= Version(high)]
    for end in (0, -1):
        while fitting and not _fits(job(fitting[end])):
            del fitting[end]
    if not fitting:
        raise UserError(f"no release of {package} fits {STRIPEPY}", "ask for another package")
    points = turning_points(fitting, probe, lambda a, b: not history.changes(a, b))
    firsts = [fitting[0], *(after for _, after in points)]
    lasts = [*(before for before, _ in points), fitting[-1]]
    return [
        Stretch(package=package, first=str(first), last=str(last), setup=looked[first])
        for first, last in zip(firsts, lasts, strict=True)
    ]


def steps(stretches: Sequence[Stretch]) -> list[Step]:
    """What changed from each stretch of a dependency's releases to the next."""
    return [
        Step(
            package=after.package,
            before=before.last,
            after=after.first,
            dependencies="pinned",
            changes=history.changes(before.setup, after.setup),
        )
        for before, after in pairwise(stretches)
    ]


def _fits(job: Job) -> bool:
    try:
        job.resolve()
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
