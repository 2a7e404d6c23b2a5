"""Serve the built site on this machine as Read the Docs does: compressed, and with a 404 page."""

import contextlib
import gzip
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "build" / "html"


class Handler(SimpleHTTPRequestHandler):
    """Sends the file that is asked for, or the 404 page if it does not exist."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        found = path.is_file()
        if not found:
            path = Path(self.directory) / "404.html"
        body = gzip.compress(path.read_bytes())
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests."""


@contextlib.contextmanager
def served(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder, by default on any free port, and yield the address of its root."""
    handler = partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/"
        finally:
            running.shutdown()


def main() -> int:
    """Serve the site on the port that the command line names, until interrupted."""
    port = sys.argv[1]
    try:
        with served(SITE, int(port)) as address, contextlib.suppress(KeyboardInterrupt):
            print(f"The site: {address}telemetry.html (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
    except (OSError, OverflowError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no port"
        print(f"{port}: {reason}: name another, as in make serve PORT=8001", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
