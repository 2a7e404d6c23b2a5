"""Run one command sealed off, its exporter replaced, to see what it would send; on any system."""
