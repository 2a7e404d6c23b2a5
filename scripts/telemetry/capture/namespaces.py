"""Linux namespaces in which there is no network, or nothing of it but loopback.

There the kernel itself refuses whatever wants to get out, whoever asks, and counts it. It takes no
rights where user namespaces are allowed, as they are on most systems.
"""

import contextlib
import ctypes
import os
import signal
import socket
import struct
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

TEMPORARY = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
"""The machine's places for temporary files."""

RTM_NEWROUTE, NLM_F_CREATE_REQUEST, RTA_OIF = 24, 0x401, 4
# Table of local addresses, set by hand, valid on this machine, of the type "local".
LOCAL_ROUTE = 255, 4, 254, 2
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def enter_empty() -> bool:
    """Move this process into a network namespace without any interface.

    There the kernel has no route to anywhere. The user and group ids stay what they were. Has to
    come before the first thread.

    Returns:
        False where the system has no such namespaces (not Linux, or forbidden).
    """
    return _unshare(CLONE_NEWUSER | CLONE_NEWNET) is not None


def enter(host_name: str, covers: Mapping[str, Path], keeps: Collection[Path] = ()) -> bool:
    """Move this process into namespaces with loopback; has to come before the first thread.

    Files that tell a program who and where it is can be covered by others there, and the machine's
    places for temporary files can be emptied but for some folders.

    Args:
        host_name: What the machine is called in there.
        covers: Files to put over those of the system, by the path that they cover; what the
            system does not have is left out.
        keeps: Folders that stay where they are in emptied places for temporary files; without any,
            these places stay as they are.

    Returns:
        False where the system allows no such namespaces; then nothing has changed.
    """
    libc = _unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS)
    if libc is None:
        return False
    socket.sethostname(host_name)
    _mount(libc, None, "/", MS_REC | MS_PRIVATE)
    for covered, cover in covers.items():
        if Path(covered).exists():
            _mount(libc, str(cover), str(Path(covered).resolve()), MS_BIND)
    if keeps:
        _empty_temporary(libc, keeps)
    _raise_loopback()
    return True


def _empty_temporary(libc: ctypes.CDLL, keeps: Collection[Path]) -> None:
    """Put an empty file system over each place for temporary files, and folders back into it."""
    kept = [(os.open(folder, os.O_PATH), folder) for folder in sorted(keeps)]
    for place in filter(Path.is_dir, TEMPORARY):
        _mount(libc, "none", str(place), 0, "tmpfs")
    for descriptor, folder in kept:
        if not folder.exists():
            folder.mkdir(parents=True)
            _mount(libc, f"/proc/self/fd/{descriptor}", str(folder), MS_BIND)
        os.close(descriptor)


def left_in_temporary(keeps: Collection[Path]) -> Iterator[str]:
    """Yield the files that are left in emptied places for temporary files.

    Args:
        keeps: Folders that were kept.
    """
    for place in TEMPORARY if keeps else ():
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if Path(folder, name) not in keeps]
            yield from (str(Path(folder, name)) for name in names)


def lead_everything_here() -> None:
    """Have every address lead to this machine, which refuses what nobody serves.

    Without any route, an attempt would leave no packet that bears its address.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        route = struct.pack("=8BI", family, 0, 0, 0, *LOCAL_ROUTE, 0)
        route += struct.pack("=HHI", 8, RTA_OIF, socket.if_nametoindex("lo"))
        header = struct.pack("=IHHII", 16 + len(route), RTM_NEWROUTE, NLM_F_CREATE_REQUEST, 0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as sock:
            sock.send(header + route)


def _unshare(flags: int) -> ctypes.CDLL | None:
    """Enter new namespaces, keeping the user and group ids; return the C library, or None."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(flags) != 0:
        return None
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        # Where this is forbidden, ids read as "nobody"; the seal holds all the same.
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(text)
    return libc


def _mount(
    libc: ctypes.CDLL, source: str | None, target: str, flags: int, kind: str | None = None
) -> None:
    encoded = None if source is None else os.fsencode(source)
    type_ = None if kind is None else kind.encode()
    if libc.mount(encoded, os.fsencode(target), type_, flags, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def _raise_loopback() -> None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        _, flags = struct.unpack(
            "16sh", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0))
        )
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have the kernel end this process when its parent dies; for a child, before its exec."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def kernel_counts() -> dict[str, int]:
    """What the kernel has counted in this network namespace, whoever did it.

    Returns:
        "unrouted": packets that had no way out; "tcp": connections that were opened.
    """
    lines = Path("/proc/self/net/snmp").read_text().splitlines()
    table: dict[str, int] = {}
    for names, numbers in zip(lines[::2], lines[1::2], strict=True):
        kind, *keys = names.split()
        table |= {f"{kind}{k}": int(n) for k, n in zip(keys, numbers.split()[1:], strict=True)}
    unrouted = table["Ip:OutNoRoutes"]
    six = Path("/proc/self/net/snmp6")
    if six.exists():
        counts = dict(line.split() for line in six.read_text().splitlines())
        unrouted += int(counts["Ip6OutNoRoutes"])
    return {"unrouted": unrouted, "tcp": table["Tcp:ActiveOpens"]}


if __name__ == "__main__":
    try:
        sys.exit(not enter("localhost", {"/etc/hosts": Path("/dev/null")}))
    except OSError:
        sys.exit(1)
