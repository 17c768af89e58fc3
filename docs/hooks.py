"""Gives the site the page that stands outside of docs/: SOUNDNESS.md."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add SOUNDNESS.md of the project's root as soundness.md; its links to docs/ are then links beside it."""
    text = (Path(config.config_file_path).parent / "SOUNDNESS.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "soundness.md", content=text.replace("](docs/", "](")))
    return files
