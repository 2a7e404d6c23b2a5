"""Where the message goes, and how."""

import contextlib
import re
import zlib
from urllib.parse import SplitResult, urlsplit

from telemetry.evidence.conditions import delay_name
from telemetry.evidence.judging import Trial, Void, claim
from telemetry.records.runs import Network, Observation

# A busy machine takes a little longer to hang up.
SLACK_SECONDS = 1.0

# Which of these the HTTP library accepts depends on the packages installed beside it.
ENCODINGS = re.compile(r"gzip, deflate(, br)?(, zstd)?")

HEADERS = {
    "accept": "*/*",
    "connection": "keep-alive",
    "content-encoding": "gzip",
    "content-type": "application/x-protobuf",
}

GZIP = 31
"""The `wbits` with which zlib reads nothing but gzip."""

TLS_HANDSHAKE = b"\x16"

CREDENTIALS = "Basic WnF4TG9naW46WnF4UGFzc3dvcmQ="
"""ZqxLogin and ZqxPassword, in HTTP basic authentication."""

SENDING = ("commands", "failures", "options")
ALSO_SENDING = ("again", "downloads", "endings")


def _address(trial: Trial) -> SplitResult:
    return urlsplit(str(trial.evidence.exporter["endpoint"]))


@claim(
    "The message is posted to `{endpoint}`, and to no other address, unless OpenTelemetry was"
    " already set up in the same process.",
    (*SENDING, *ALSO_SENDING, "unreachable", "results", "memory"),
)
def destination(trial: Trial) -> None:
    documented = trial.evidence.exporter
    for seen in trial.runs("memory"):
        exporters = [dict(settings) for settings in seen.exporters]
        trial.expect_equal(exporters, [dict(documented)], f"exporters of `{seen.run.command}`")
    address = _address(trial)
    trial.facts["endpoint"] = address.geturl()
    for seen in trial.runs(*SENDING):
        trial.expect_message(seen)
        trial.expect(not seen.attempts, f"`{seen.run.command}`: {', '.join(seen.attempts)}")
    # After an error, the message may be sent again, but not to another address.
    for seen in trial.runs(*SENDING, *ALSO_SENDING, "unreachable", "results"):
        for request in seen.wire.requests:
            found = (request.line, request.header("host"))
            expected = (f"POST {address.path} HTTP/1.1", address.netloc)
            trial.expect_equal(found, expected, f"`{seen.run.command}` sends")


@claim(
    "The connection to StripePy's collector is encrypted.",
    ("commands", "results", "transport", "unreachable"),
)
def encrypted(trial: Trial) -> None:
    address = _address(trial)
    trial.expect_equal(address.scheme, "https", "the address begins with")
    for seen in trial.runs():
        clear = [hello for hello in seen.wire.hellos if hello and hello[:1] != TLS_HANDSHAKE]
        trial.expect(
            not clear, f"`{seen.run.command}` ({seen.run.name}): in the clear came {clear}"
        )
    for seen in trial.runs("commands"):
        # Our collector speaks only TLS.
        trial.control(seen)
        trial.expect_equal(len(seen.wire.requests), 1, "messages over an encrypted connection")
        trial.expect_equal({*seen.wire.look_ups}, {address.hostname}, "looked up")


@claim(
    "A server whose certificate is not trusted, or is for another name, receives no message.",
    ("commands", "results", "unreachable"),
)
def certificate(trial: Trial) -> None:
    trial.control(trial.run("download"))
    networks = {Network.UNKNOWN_AUTHORITY, Network.WRONG_CERTIFICATE}
    tested = trial.runs("results", "unreachable", where=lambda seen: seen.run.network in networks)
    for seen in tested:
        name = seen.run.name
        trial.expect(seen.wire.connections > 0, f"{name}: there was no connection")
        trial.expect(not seen.wire.requests, f"{name}: {len(seen.bodies)} messages came")
    trial.require_tested(networks - {seen.run.network for seen in tested}, "the certificate")


@claim(
    "The message is compressed with gzip; uncompressed, it is smaller than 2 KiB, unless a long"
    " data set name was typed.",
    (*SENDING, *ALSO_SENDING),
)
def compressed(trial: Trial) -> None:
    sizes = []
    for seen in trial.runs():
        for request in seen.wire.requests:
            what = f"`{seen.run.command}` sends {len(request.wire)} bytes"
            gzip = request.header("content-encoding") == "gzip"
            trial.expect(gzip and len(request.wire) < len(request.body), what)
            trial.expect(_holds_nothing_else(request.wire, seen), f"{what}, which hold more")
            sizes.append((len(request.body), len(request.wire)))
    if not sizes:
        raise Void("no message to measure")
    trial.counts["bytes of the largest message"] = max(raw for raw, _ in sizes)
    trial.counts["bytes of it, compressed"] = max(wire for _, wire in sizes)
    trial.expect(max(raw for raw, _ in sizes) < 2048, f"a message has {max(sizes)[0]} bytes")


def _holds_nothing_else(packed: bytes, seen: Observation) -> bool:
    """Whether gzip holds one member, made during the run, and no name or comment: see RFC 1952."""
    made = int.from_bytes(packed[4:8], "little")
    unpacking = zlib.decompressobj(GZIP)
    with contextlib.suppress(zlib.error):
        unpacking.decompress(packed)
    return (
        packed[3:4] + packed[8:10] == b"\0\2\xff"
        and seen.started - 1 < made < seen.ended + 1
        and unpacking.eof
        and not unpacking.unused_data
    )


@claim(
    "Sending times out after {seconds} seconds.",
    ("unreachable",),
)
def time_out(trial: Trial) -> None:
    seconds = trial.evidence.exporter["timeout"]
    assert isinstance(seconds, int | float)
    trial.facts["seconds"] = str(seconds)
    waited = trial.run(delay_name(Network.SILENT, 0)).wire.waited
    exact = len(waited) == 1 and abs(waited[0] - seconds) < SLACK_SECONDS
    trial.expect(exact, f"without an answer, it waited {waited} s")


@claim(
    "Besides the message, the request has only technical headers; one of them names the exporter"
    " and its version, `{agent}`.",
    (*SENDING, *ALSO_SENDING, "dates", "surroundings", "unreachable", "results", "transport"),
)
def headers(trial: Trial) -> None:
    agent = "OTel-OTLP-Exporter-Python/" + trial.evidence.versions["opentelemetry-sdk"]
    expected = {
        **HEADERS,
        "host": _address(trial).netloc,
        "user-agent": agent,
    }
    trial.facts["agent"] = agent
    orders = set()
    for seen in trial.runs():
        # Passwords from `netrc` are the subject of another claim.
        apart = {"authorization"} if seen.run.home_files else set()
        for request in seen.wire.requests:
            pairs = [(n, value) for n, value in request.headers if n.lower() not in apart]
            found = sorted((name.lower(), value) for name, value in pairs)
            encodings = request.header("accept-encoding") or ""
            known = encodings if ENCODINGS.fullmatch(encodings) else ENCODINGS.pattern
            length = str(len(request.wire))
            sent = {**expected, "accept-encoding": known, "content-length": length}
            different = sorted({*found} ^ {*sent.items()})
            trial.expect(found == sorted(sent.items()), f"`{seen.run.command}`: {different}")
            orders.add(", ".join(name for name, _ in pairs))
    trial.expect(len(orders) == 1, f"the order of headers differs: {'; '.join(sorted(orders))}")


@claim(
    "A redirect to another address is not followed.",
    ("transport",),
)
def redirect(trial: Trial) -> None:
    seen = trial.run("a redirect")
    trial.expect_equal(len(seen.wire.requests), 1, "messages")
    trial.expect(not seen.attempts, f"it was followed: {seen.attempts}")


@claim(
    "`HTTPS_PROXY` and `ALL_PROXY` are respected: the message then passes through that proxy,"
    " which cannot read it.",
    ("transport", "unreachable"),
)
def proxies(trial: Trial) -> None:
    address = _address(trial)
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        seen = trial.run(f"proxy: {variable}")
        # Newer versions of Python also name the host in a header.
        named = {"host": address.netloc}
        asked = [(line.rpartition(" ")[0], {**named, **told}) for line, told in seen.wire.tunnels]
        expected = f"CONNECT {address.netloc}", {**named, "proxy-authorization": CREDENTIALS}
        trial.expect_equal(asked, [expected], f"{variable}: asked of the proxy")
        sent = [request.header("authorization") for request in seen.wire.requests]
        trial.expect_equal(sent, [None], f"{variable}: the password that goes to the collector")
        trial.expect_equal(seen.wire.look_ups, (), f"{variable}: looked up")
    refused = trial.run(delay_name(Network.PROXY_REFUSES, 0))
    trial.expect(bool(refused.wire.tunnels), f"{refused.run.name}: the proxy is not asked")
    # A look-up of the collector would show that the run tries to reach it directly.
    trial.expect_equal(refused.wire.look_ups, (), f"{refused.run.name}: looked up")
    for name in ("HTTP_PROXY", "NO_PROXY"):
        seen = trial.run(f"proxy: {name}")
        trial.expect_equal(seen.wire.tunnels, (), f"{name}: asked of the proxy")
        trial.expect_message(seen)


def _passwords(trial: Trial, name: str) -> list[str | None]:
    return [request.header("authorization") for request in trial.run(name).wire.requests]


@claim(
    "A password in `~/.netrc`, or in the file that `NETRC` names, is sent in the"
    " `Authorization` header if it is listed for the collector's host or as `default`.",
    ("commands", "transport"),
    reason="The HTTP library looks for a password whenever a request has none.",
    source="requests",
)
def netrc(trial: Trial) -> None:
    trial.control(trial.run("download"))
    for name in ("netrc: for the collector", "netrc: default", "netrc: NETRC"):
        trial.expect_equal(_passwords(trial, name), [CREDENTIALS], name)


@claim(
    "A password for another host in `~/.netrc` is not sent.",
    ("transport",),
)
def netrc_another(trial: Trial) -> None:
    trial.control(trial.run("netrc: for the collector"))
    name = "netrc: for another"
    trial.expect_equal(_passwords(trial, name), [None], name)


@claim(
    "`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `OTEL_EXPORTER_OTLP_CERTIFICATE` decide which"
    " certificates are trusted; `SSL_CERT_FILE` does not.",
    ("ambient", "unreachable"),
)
def trust(trial: Trial) -> None:
    untrusted = trial.run(delay_name(Network.UNKNOWN_AUTHORITY, 0))
    trial.expect(not untrusted.wire.requests, "it is trusted without a variable")
    for variable in (
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    ):
        trial.expect_message(trial.run(f"ambient: {variable}={{authority}}"))
    seen = trial.run("ambient: SSL_CERT_FILE={authority}")
    trial.expect(not seen.wire.requests, "SSL_CERT_FILE has an effect")


@claim(
    "With `SSLKEYLOGFILE` set, `stripepy` writes the keys of its encrypted connection to that"
    " file.",
    ("ambient",),
)
def key_log(trial: Trial) -> None:
    seen = trial.run("ambient: SSLKEYLOGFILE={home}/ZqxKeys")
    trial.expect(seen.wire.connections > 0, "there was no connection")
    written = any(path.endswith("/ZqxKeys") for path in seen.files)
    trial.expect(written, f"no keys were written: {sorted(seen.files)}")
