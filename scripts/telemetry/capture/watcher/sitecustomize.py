"""The watcher: records what can only be seen from inside a run, and changes nothing there.

Every interpreter of a watched run loads it at startup, since its folder is on PYTHONPATH. It looks
at calls, as a profiler does, to see which environment variables are asked for by name and which
options the command line has. An audit hook shows which files are changed.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

RECORD = os.environ["STRIPEPY_CAPTURE_RECORD"]
ROOT = str(Path(RECORD).parent)
OURS = (ROOT, "/dev/", "/proc/")

# The same variables, as str and as bytes.
ENVIRONMENTS = (os.environ, os.environb)
LOOK_UP = type(os.environ).__getitem__.__code__
PARSE = argparse.ArgumentParser.parse_known_args.__code__

# Audit events of changes to files, and which of their arguments is the path.
IN_PLACE = ("chmod", "chown", "mkdir", "remove", "rmdir", "setxattr", "truncate", "utime")
CHANGES = {"sqlite3.connect": 0} | {f"os.{name}": 0 for name in IN_PLACE}
CHANGES |= {"os.link": 1, "os.rename": 1, "os.symlink": 1}

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

asked = {"STRIPEPY_CAPTURE_RECORD"}
parsers: list[argparse.ArgumentParser] = []


def record(**entry: object) -> None:
    """Append one entry to the record, in a single write, so that processes do not mix lines."""
    descriptor = os.open(RECORD, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, json.dumps(entry).encode() + b"\n")
    os.close(descriptor)


def look_at_call(frame: FrameType, event: str, argument: object) -> None:
    if event != "call":
        return
    if frame.f_code is LOOK_UP:
        name = frame.f_locals["key"]
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        ours = any(frame.f_locals["self"] is environment for environment in ENVIRONMENTS)
        if ours and isinstance(name, str) and name not in asked:
            asked.add(name)
            record(variable=name)
    elif frame.f_code is PARSE and not parsers:
        parsers.append(frame.f_locals["self"])
        record(parser=list(commands(parsers[0], ())))


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Describe the options of a parser and of all its subcommands."""
    group = False
    options = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            group = True
            for name, sub in action.choices.items():
                yield from commands(sub, (*words, name))
            continue
        accepts = {}
        for probe in ("37", "0.37", "zqx"):
            with contextlib.suppress(Exception):
                convert: Any = action.type or str
                accepts[probe] = str(convert(probe))
        options.append(
            {
                "flags": list(action.option_strings),
                "dest": action.dest,
                "kind": type(action).__name__.strip("_"),
                "choices": [str(choice) for choice in action.choices or ()],
                "default": action.default if isinstance(action.default, int | float) else None,
                "accepts": accepts,
                "excludes": [
                    other.dest
                    for exclusive in parser._mutually_exclusive_groups
                    if action in exclusive._group_actions
                    for other in exclusive._group_actions
                    if other is not action
                ],
            }
        )
    yield {"words": list(words), "group": group, "options": options, "parser": id(parser)}


def look_at_write(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, str | bytes) or not flags & WRITES:
            return
    elif event in CHANGES:
        path = arguments[CHANGES[event]]
        # What is open has a name there; but for Linux, it counts as a device.
        path = os.path.realpath(f"/dev/fd/{path}") if isinstance(path, int) else path
    elif event == "syslog.syslog":
        record(written="the system's log")
        return
    else:
        return
    absolute = str(Path(os.fsdecode(path)).absolute())
    # Python writes these caches itself when it imports a module for the first time.
    cache, module = Path(absolute).parent, Path(absolute).name.partition(".")[0]
    source = cache.with_name(f"{module}.py")
    cached = source.exists() and absolute.startswith(importlib.util.cache_from_source(str(source)))
    # Other changes in the private folder show afterwards; an extended attribute does not.
    if event == "os.setxattr" or not (absolute.startswith(OURS) or cached):
        record(written=absolute)


sys.addaudithook(look_at_write)
threading.setprofile(look_at_call)
sys.setprofile(look_at_call)
