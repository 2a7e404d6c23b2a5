"""How a history is compiled: the same runs are made in one environment after another.

Whatever cannot be fetched, or observed on this machine, raises a UserError.
"""

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TypeVar

from packaging.utils import canonicalize_name
from packaging.version import Version

from telemetry.records import files
from telemetry.records.exits import UserError
from telemetry.records.fields import Dictionary
from telemetry.records.releases import Dependencies, History, Setup, State, Stretch
from telemetry.records.runs import NotTried
from telemetry.releases import environments, observations, summary
from telemetry.releases.changes import changes, steps
from telemetry.releases.environments import Environment, Release, UnresolvableError
from telemetry.releases.observations import EXPORTER, Seen

STRIPEPY = "stripepy-hic"
SDK = "opentelemetry-sdk"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")

FLAGS: dict[Dependencies, tuple[str, ...]] = {
    "lowest": ("--resolution", "lowest"),
    "lowest-direct": ("--resolution", "lowest-direct"),
    "locked": ("--constraints", str(files.ROOT / "requirements-docs.txt")),
    "newest": (),
    "pre-releases": ("--prerelease", "allow"),
}
"""Flags of `uv pip compile` for each choice of dependencies of the newest release."""


@dataclass(frozen=True)
class Job:
    """A release to run with one Python and one choice of dependencies."""

    release: Release
    dependencies: Dependencies
    python: Path = Path(sys.executable)
    pin: str = ""  # a further requirement, for the choice "pinned"


Look = Callable[[Job], Setup]


@cache
def resolve(job: Job) -> Environment:
    """Choose the packages; raises NotTried if those of its time cannot be known."""
    flags = FLAGS.get(job.dependencies, ())
    release = job.release.version
    wanted = [f"{STRIPEPY}[all]=={release}", *filter(None, [job.pin])]
    if job.dependencies == "contemporary":
        if not job.release.uploaded:
            raise NotTried("the package index does not say when it was uploaded")
        # uv also excludes what was uploaded at that very moment: the release itself.
        moment = datetime.fromisoformat(job.release.uploaded) + timedelta(seconds=1)
        flags = ("--exclude-newer", moment.isoformat(timespec="seconds"))
    elif job.dependencies == "lowest-direct":
        # To uv, StripePy's own requirements are not direct ones unless we repeat them.
        wanted += environments.required_by(f"{STRIPEPY}=={release}", job.python)
    return environments.resolve(wanted, *flags, python=job.python)


def looking(dictionary: Dictionary, tell: Callable[[Setup], None] = lambda _: None) -> Look:
    """Return a function that makes the runs of a job once, and passes its setup to `tell`."""

    @cache
    def look(job: Job) -> Setup:
        try:
            environment = resolve(job)
        except UnresolvableError as error:
            setup = _setup(job, {}, {}, dictionary, ("cannot run", error.message))
        except NotTried as reason:
            setup = _setup(job, {}, {}, dictionary, ("not tried", str(reason)))
        else:
            seen = observations.kept(environment, observations.runs())
            setup = _setup(job, environment.packages, seen, dictionary, summary.state(seen))
        tell(setup)
        return setup

    return look


def _setup(
    job: Job, packages: dict[str, str], seen: Seen, dictionary: Dictionary, state: tuple[State, str]
) -> Setup:
    release = str(job.release.version)
    switches = summary.settings(seen, "switch", dictionary)
    return Setup(
        release=release,
        uploaded=job.release.uploaded[:10],
        dependencies=job.dependencies,
        python=seen[EXPORTER.name].versions.get("python", "") if seen else "",
        state=state[0],
        reason=state[1],
        packages=packages,
        fields=summary.fields(seen, dictionary, release),
        switched_off=summary.switched_off(seen),
        switches={name: "; ".join(did) or "no effect" for name, did in switches.items()},
        settings=summary.settings(seen, "setting", dictionary),
        destinations=summary.destinations(seen),
        delays=summary.delays(seen),
        runs=summary.runs(seen),
    )


def jobs(release: Release) -> list[Job]:
    """Return the jobs for a release: with the dependencies of its time, and with today's."""
    return [Job(release, "contemporary"), Job(release, "newest")]


def compile_history(look: Look) -> History:
    """Run every release, and the newest over its range of dependencies and Pythons."""
    releases = environments.releases(STRIPEPY)
    newest, here = releases[-1], "{}.{}".format(*sys.version_info)
    others = environments.pythons(python for python in PYTHONS if python != here)
    setups = [look(job) for release in releases for job in jobs(release)]
    ran = [
        Stretch(package=STRIPEPY, first=setup.release, last=setup.release, setup=setup)
        for setup in setups
        if setup.dependencies == "contemporary" and setup.state in {"sends", "sends nothing"}
    ]
    stretches = bisect(SDK, newest, look)
    return History(
        version=3,
        platform=f"{platform.system()} {platform.machine()}",
        setups=setups,
        differences=steps(ran),
        range=[look(Job(newest, choice)) for choice in FLAGS],
        pythons=[look(Job(newest, "newest", python)) for python in others.values()],
        stretches=stretches,
        bisected=steps(stretches),
        not_tried=[
            *(f"Python {python}" for python in PYTHONS if python not in {here, *others}),
            # They have no namespaces.
            "macOS",
            "Windows",
        ],
    )


def bisect(
    package: str, release: Release, look: Look, *, low: str = "", high: str = ""
) -> list[Stretch]:
    """Divide the releases of a dependency, oldest first, into stretches for a release of StripePy.

    Every other package is as new as each of them allows. `low` and `high` default to the lowest
    release that StripePy accepts and to the newest.
    """
    package = canonicalize_name(package)
    newest = resolve(Job(release, "newest")).packages
    if package not in newest:
        raise UserError(
            f"{STRIPEPY} {release.version} is not installed with {package}",
            f"choose from {', '.join(newest)}",
        )
    first = Version(low or resolve(Job(release, "lowest")).packages.get(package, "0"))
    last = Version(high or newest[package])
    known = [release.version for release in environments.releases(package)]

    def pinned(version: Version) -> Setup:
        return look(Job(release, "pinned", pin=f"{package}=={version}"))

    stretches = [
        Stretch(package=package, first=str(first), last=str(last), setup=pinned(first))
        for first, last in halved(
            [version for version in known if first <= version <= last],
            # There are no packages if uv found none that fit that release.
            there=lambda version: bool(pinned(version).packages),
            same=lambda a, b: not changes(pinned(a), pinned(b)),
        )
    ]
    if not stretches:
        raise UserError(f"no release of {package} fits {STRIPEPY}", "ask for another package")
    return stretches


Known = TypeVar("Known")


def halved(
    releases: Sequence[Known],
    there: Callable[[Known], bool],
    same: Callable[[Known, Known], bool],
) -> list[tuple[Known, Known]]:
    """Bisect releases, oldest first, into stretches; a change that is later undone goes unseen.

    Releases that are not `there` cannot be had, and are passed over. Both functions should remember
    what they answered. Returns the first and last release of each stretch.
    """

    def divided(low: int, high: int) -> list[tuple[Known, Known]]:
        if same(releases[low], releases[high]):
            return [(releases[low], releases[high])]
        nearest = sorted(range(low + 1, high), key=lambda number: abs(number - (low + high) // 2))
        middle = next((number for number in nearest if there(releases[number])), None)
        if middle is None:
            return [(releases[low], releases[low]), (releases[high], releases[high])]
        *before, (first, _) = divided(low, middle)
        (_, last), *after = divided(middle, high)
        return [*before, (first, last), *after]

    numbers = range(len(releases))
    low = next((number for number in numbers if there(releases[number])), None)
    high = next((number for number in reversed(numbers) if there(releases[number])), None)
    return [] if low is None or high is None else divided(low, high)
