"""The Sphinx extension: reads the committed files, runs nothing."""

from telemetry.site.extension import setup

__all__ = ["setup"]
