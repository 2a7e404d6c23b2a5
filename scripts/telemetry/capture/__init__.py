"""One command, sealed off, its exporter replaced: what it would send, on any system."""
