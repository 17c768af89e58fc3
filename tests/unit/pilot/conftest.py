"""What the tests of pilots share."""

from __future__ import annotations

import pytest

from tests import decoders


@pytest.fixture(autouse=True)
def decoders_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilots of several tests have the same decoders: each is made and proved once in a process."""
    monkeypatch.setattr("hilbert_codegen.pilot.networks.generate", decoders.generated)
