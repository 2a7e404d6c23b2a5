"""Where the message goes, and how."""

from urllib.parse import urlsplit

from telemetry.runs import Observation
from telemetry.trial import Claim, Trial, Void

HEADERS = {
    "accept": "*/*",
    "connection": "keep-alive",
    "content-encoding": "gzip",
    "content-type": "application/x-protobuf",
}

CREDENTIALS = "Basic WnF4TG9naW46WnF4UGFzc3dvcmQ="
"""ZqxLogin and ZqxPassword, as HTTP writes them."""


def _accepted_encodings() -> str:
    """What the HTTP library can read; that depends on what is installed beside it."""
    # Not needed to build pages.
    from requests.utils import default_headers

    return str(default_headers()["Accept-Encoding"])


def _sending(seen: Observation) -> bool:
    return bool(seen.sendings)


def _headers(seen: Observation) -> dict[str, str]:
    return {name.lower(): value for request in seen.requests for name, value in request.headers}


def destination(trial: Trial) -> None:
    [documented] = trial.evidence.documented.provenance.exporters
    for seen in trial.runs("commands", "failures", "options", where=_sending):
        for sending in seen.sendings:
            trial.expect(
                (sending["method"], sending["url"]) == ("POST", documented["endpoint"]),
                f"`{seen.run.command}` sends to {sending['method']} {sending['url']}",
            )
        for settings in seen.exporters:
            trial.expect(
                dict(settings) == documented, f"`{seen.run.command}` sets {dict(settings)}"
            )
    trial.facts["endpoint"] = documented["endpoint"]


def encrypted(trial: Trial) -> None:
    trusted = trial.run("a trusted certificate")
    trial.control(trusted)
    address = urlsplit(trial.evidence.documented.provenance.exporters[0]["endpoint"])
    trial.expect(address.scheme == "https", f"the address is {address.geturl()}")
    trial.expect(
        [request.line for request in trusted.requests] == [f"POST {address.path} HTTP/1.1"],
        f"sent: {[request.line for request in trusted.requests]}",
    )
    trial.expect(set(trusted.look_ups) == {address.hostname}, f"looked up: {trusted.look_ups}")


def certificate(trial: Trial) -> None:
    trial.control(trial.run("a trusted certificate"))
    for name in ("an authority that is not trusted", "a certificate for another name"):
        seen = trial.run(name)
        trial.expect(seen.connections > 0, f"{name}: there was no connection")
        trial.expect(not seen.requests, f"{name}: {len(seen.requests)} messages came all the same")
    for seen in trial.runs("commands", "failures", "options", where=_sending):
        for sending in seen.sendings:
            trial.expect(
                sending["verify"] is True and sending["certificate"] is None,
                f"`{seen.run.command}`: verify={sending['verify']}, {sending['certificate']}",
            )


def compressed(trial: Trial) -> None:
    sizes = []
    for seen in trial.runs("commands", "failures", "options"):
        for request in seen.requests:
            headers = _headers(seen)
            trial.expect(
                headers.get("content-encoding") == "gzip" and len(request.wire) < len(request.body),
                f"`{seen.run.command}` sends {len(request.wire)} bytes, {headers}",
            )
            sizes.append((len(request.body), len(request.wire)))
    if not sizes:
        raise Void("no message to measure")
    trial.counts["bytes of the largest message"] = max(raw for raw, _ in sizes)
    trial.counts["bytes of it, compressed"] = max(wire for _, wire in sizes)
    trial.expect(max(raw for raw, _ in sizes) < 2048, f"a message has {max(sizes)[0]} bytes")


def time_out(trial: Trial) -> None:
    seconds = trial.evidence.documented.provenance.exporters[0]["timeout"]
    for seen in trial.runs("commands", "failures", "options", where=_sending):
        for sending in seen.sendings:
            trial.expect(
                seconds - 1 < sending["timeout"] <= seconds,
                f"`{seen.run.command}` waits {sending['timeout']} s",
            )
    trial.facts["seconds"] = str(seconds)


def headers(trial: Trial) -> None:
    address = urlsplit(trial.evidence.documented.provenance.exporters[0]["endpoint"])
    agent = "OTel-OTLP-Exporter-Python/" + trial.evidence.versions["opentelemetry-sdk"]
    expected = {
        **HEADERS,
        "accept-encoding": _accepted_encodings(),
        "host": address.netloc,
        "user-agent": agent,
    }
    for seen in trial.runs("commands", "failures", "options"):
        for request in seen.requests:
            found = [(name.lower(), value) for name, value in request.headers]
            found.remove(("content-length", str(len(request.wire))))
            trial.expect(
                sorted(found) == sorted(expected.items()),
                f"`{seen.run.command}`: {sorted(set(found) ^ set(expected.items()))}",
            )
    trial.facts["agent"] = agent


def redirect(trial: Trial) -> None:
    seen = trial.run("a redirect")
    trial.expect(len(seen.requests) == 1, f"there were {len(seen.requests)} messages")
    trial.expect(not seen.attempts, f"it was followed: {seen.attempts}")


def proxies(trial: Trial) -> None:
    address = urlsplit(trial.evidence.documented.provenance.exporters[0]["endpoint"])
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        seen = trial.run(f"proxy: {variable}")
        lines = [line for line, _ in seen.tunnels]
        trial.expect(
            lines == [f"CONNECT {address.netloc} HTTP/1.0"]
            or lines == [f"CONNECT {address.netloc} HTTP/1.1"],
            f"{variable}: the proxy was asked for {lines}",
        )
        trial.expect(len(seen.requests) == 1, f"{variable}: {len(seen.requests)} messages")
        trial.expect(
            "authorization" not in _headers(seen), f"{variable}: the password goes to the collector"
        )
    for name in ("HTTP_PROXY", "NO_PROXY"):
        seen = trial.run(f"proxy: {name}")
        trial.expect(not seen.tunnels and len(seen.requests) == 1, f"{name}: {seen.tunnels}")


def netrc(trial: Trial) -> None:
    trial.control(trial.run("a trusted certificate"))
    for name in ("netrc: for the collector", "netrc: default", "netrc: NETRC"):
        sent = _headers(trial.run(name)).get("authorization")
        trial.expect(sent == CREDENTIALS, f"{name}: sent {sent}")


def netrc_for_another(trial: Trial) -> None:
    trial.control(trial.run("netrc: for the collector"))
    seen = trial.run("netrc: for another")
    trial.expect(
        len(seen.requests) == 1 and "authorization" not in _headers(seen),
        f"sent {_headers(seen).get('authorization')}",
    )


def trust(trial: Trial) -> None:
    trial.expect(not trial.run("an authority that is not trusted").requests, "trusted all along")
    for variable in (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "CURL_CA_BUNDLE",
    ):
        seen = trial.run(f"trust: {variable}")
        trial.expect(len(seen.requests) == 1, f"{variable} has no effect")
    seen = trial.run("trust: SSL_CERT_FILE")
    trial.expect(not seen.requests, "SSL_CERT_FILE has an effect")


def key_log(trial: Trial) -> None:
    seen = trial.run("keys: SSLKEYLOGFILE")
    trial.expect(
        any(path.endswith("/keys") for path in seen.files), f"no keys were written: {seen.files}"
    )


CLAIMS = (
    Claim(
        "destination",
        "The message goes to {endpoint}, with POST.",
        ("commands", "failures", "options"),
        destination,
    ),
    Claim(
        "encrypted",
        "The connection is encrypted.",
        ("transport",),
        encrypted,
    ),
    Claim(
        "certificate",
        "A server whose certificate is not trusted, or is for another name, gets nothing.",
        ("commands", "failures", "options", "transport"),
        certificate,
    ),
    Claim(
        "compressed",
        "The message is compressed with gzip, and smaller than 2 KiB even before that.",
        ("commands", "failures", "options"),
        compressed,
    ),
    Claim(
        "time-out",
        "Sending is given up after {seconds} seconds.",
        ("commands", "failures", "options"),
        time_out,
    ),
    Claim(
        "headers",
        "Besides the message, the request has technical headers only; one of them names the"
        " exporter and its version, `{agent}`.",
        ("commands", "failures", "options"),
        headers,
    ),
    Claim(
        "redirect",
        "A redirect to another address is not followed.",
        ("transport",),
        redirect,
    ),
    Claim(
        "proxies",
        "`HTTPS_PROXY` and `ALL_PROXY` are heeded: the message then passes through that proxy,"
        " which cannot read it.",
        ("transport",),
        proxies,
    ),
    Claim(
        "trust",
        "`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `OTEL_EXPORTER_OTLP_CERTIFICATE` decide whose"
        " certificates are trusted; `SSL_CERT_FILE` does not.",
        ("transport",),
        trust,
    ),
    Claim(
        "key-log",
        "`SSLKEYLOGFILE` makes the keys of the encrypted connection be written to that file, so"
        " that you can look into it.",
        ("transport",),
        key_log,
    ),
    Claim(
        "netrc-another",
        "A password in `~/.netrc` that is for another host stays there.",
        ("transport",),
        netrc_for_another,
    ),
    Claim(
        "netrc",
        "A password in `~/.netrc` is sent along as a header, `Authorization`, if it stands there"
        " for the collector's host or as `default`.",
        ("transport",),
        netrc,
        "The HTTP library looks for one whenever a request has none of its own.",
        "requests",
    ),
)
