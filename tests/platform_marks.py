"""Marks of tests by what the platform has."""

from __future__ import annotations

import os

import pytest

__all__ = ["needs_fork", "posix_only"]

posix_only = pytest.mark.skipif(os.name != "posix", reason="uses signals, terminals or permissions of POSIX")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
