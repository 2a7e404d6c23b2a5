"""Linux namespaces that have no network, or only loopback.

In them, the kernel itself refuses and counts every attempt to get out, whichever program makes it.
No privileges are needed where user namespaces are allowed, as they are on most systems.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 0x1, 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

TEMPORARY = tuple(map(Path, ("/tmp", "/run", "/var/tmp", "/dev/shm")))
"""The machine's folders for temporary files."""

PING_GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")

RTM_NEWROUTE, NLM_F_CREATE_REQUEST, RTA_OIF = 24, 0x401, 4
# For a struct rtmsg: RT_TABLE_LOCAL, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL.
LOCAL_ROUTE = 255, 4, 254, 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
SIOCSIFHWADDR, ARPHRD_LOOPBACK = 0x8924, 772


def enter_empty() -> bool:
    """Move this single-threaded process into a network without routes, if the system allows it."""
    return _unshare(CLONE_NEWUSER | CLONE_NEWNET)


def enter(
    host_name: str,
    hardware: bytes,
    covers: Mapping[str, Path],
    keeps: Collection[Path] = (),
    user: int | None = None,
) -> bool:
    """Move this single-threaded process into namespaces with loopback, if the system allows it.

    Args:
        hardware: The hardware (MAC) address of its network interface, 6 bytes.
        covers: Files to mount over those of the system, by the path that they cover; what the
            system does not have is skipped.
        keeps: Folders that stay where they are while the root folder and the machine's folders
            for temporary files become private and empty; if there are none, nothing does.
        user: The user's ID inside; None for the same as outside.

    Returns:
        Whether the system allows it; if not, nothing has changed.

    Raises:
        OSError: If the system allows it, but then nothing inside.
    """
    kinds = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC
    if not _unshare(kinds, user):
        return False
    socket.sethostname(host_name)
    _mount(None, Path("/"), MS_REC | MS_PRIVATE)
    if keeps:
        _enter_private_root(keeps)
    for covered, cover in covers.items():
        target = Path(covered).resolve()
        if any(map(target.is_relative_to, TEMPORARY if keeps else ())):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        if target.exists():
            _mount(cover, target, MS_BIND)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        address = struct.pack("16sH14s", b"lo", ARPHRD_LOOPBACK, hardware)
        fcntl.ioctl(sock, SIOCSIFHWADDR, address)
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
    # Let users ping, as on most systems.
    with contextlib.suppress(OSError):
        PING_GROUPS.write_text(f"{os.getgid()} {os.getgid()}")
    return True


def _enter_private_root(keeps: Collection[Path]) -> None:
    kept = [(os.open(folder, os.O_PATH), folder) for folder in sorted(keeps)]
    root = TEMPORARY[0]
    mount_empty(root)
    for entry in Path("/").iterdir():
        copy = root / entry.name
        if entry.is_symlink():
            copy.symlink_to(entry.readlink())
        elif entry in TEMPORARY:
            copy.mkdir()
        # Leave out everything else: files such as /.dockerenv show that this is a container.
        elif entry.is_dir() and not entry.name.startswith("."):
            copy.mkdir()
            _mount(entry, copy, MS_BIND | MS_REC)
    os.chroot(root)
    os.chdir("/")
    for place in filter(Path.is_dir, TEMPORARY):
        if place.parent != Path("/"):
            mount_empty(place)
    for descriptor, folder in kept:
        if not folder.exists():
            folder.mkdir(parents=True)
            _mount(Path(f"/proc/self/fd/{descriptor}"), folder, MS_BIND)
        os.close(descriptor)


def mount_empty(folder: Path, flags: int = 0, options: str | None = None) -> None:
    """Mount an empty file system over a folder, in the namespaces of this process."""
    _mount(None, folder, flags, "tmpfs", options)


def entries_of_private_places(keeps: Collection[Path]) -> set[str]:
    """Return what the private folders of `enter`, if any, hold besides the kept ones.

    System V's shared memory, semaphores and queues count as well.
    """
    if not keeps:
        return set()
    found = {str(entry) for entry in Path("/").iterdir()}
    for place in TEMPORARY:
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if Path(folder, name) not in keeps]
            found |= {str(Path(folder, name)) for name in (*folders, *names)}
    for shared in Path("/proc/sysvipc").iterdir():
        found |= {f"{shared}: {line}" for line in shared.read_text().splitlines()[1:]}
    return found


def lead_everything_here() -> None:
    """Route every address to this machine, which refuses what nobody serves.

    Without a route, an attempt would leave no packet that shows its address.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        route = struct.pack("=8BI", family, 0, 0, 0, *LOCAL_ROUTE, 0)
        route += struct.pack("=HHI", 8, RTA_OIF, socket.if_nametoindex("lo"))
        header = struct.pack("=IHHII", 16 + len(route), RTM_NEWROUTE, NLM_F_CREATE_REQUEST, 0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as sock:
            sock.send(header + route)


def _unshare(flags: int, user: int | None = None) -> bool:
    if sys.platform != "linux":
        return False
    outside, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(flags) != 0:
        return False
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{outside if user is None else user} {outside} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        # IDs stay the same unless `user` is given; where this is forbidden, they read as "nobody".
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(text)
    return True


def _mount(
    source: Path | None,
    target: Path,
    flags: int,
    kind: str | None = None,
    options: str | None = None,
) -> None:
    texts = (source, target, kind, options)
    *which, data = (None if text is None else os.fsencode(text) for text in texts)
    if ctypes.CDLL(None, use_errno=True).mount(*which, flags, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; a child calls it before exec."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def kernel_counts() -> tuple[int, int]:
    """Return how many packets found no route, and how many TCP connections were opened."""
    lines = Path("/proc/self/net/snmp").read_text().splitlines()
    counts: dict[str, str] = {}
    for names, numbers in zip(lines[::2], lines[1::2], strict=True):
        counts |= dict(zip(names.split(), numbers.split(), strict=True))
    # Missing without IPv6.
    six = Path("/proc/self/net/snmp6")
    if six.exists():
        counts |= dict(line.split() for line in six.read_text().splitlines())
    unrouted = int(counts["OutNoRoutes"]) + int(counts.get("Ip6OutNoRoutes", 0))
    return unrouted, int(counts["ActiveOpens"])


if __name__ == "__main__":
    try:
        sys.exit(not enter("localhost", bytes(6), {"/etc/hosts": Path("/dev/null")}))
    except OSError:
        sys.exit(1)
