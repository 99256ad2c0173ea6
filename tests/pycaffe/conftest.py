"""Every test starts with pycaffe's own settings, and leaves none behind."""

from __future__ import annotations

import pytest

from netspec.pycaffe import logs, modes


@pytest.fixture(autouse=True)
def _settings_of_ones_own(monkeypatch):
    monkeypatch.setattr(modes, "_settings", modes.Settings())
    monkeypatch.setattr(logs, "_least", 0)
