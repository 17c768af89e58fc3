"""Where the tests find things, so that no test counts its own folders."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
GOLDEN = TESTS / "golden"
MODELS = TESTS / "models"
EXAMPLES = ROOT / "examples"
LINE_SENSOR = EXAMPLES / "line_sensor"
