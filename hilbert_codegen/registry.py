"""Registries filled by the files of a package: adding a file adds an entry, and nothing else is edited."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

from hilbert_codegen.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Name -> entry, in order of name. The modules of `package` register themselves when first asked for."""

    def __init__(self, kind: str, package: str) -> None:
        """`kind` is the word used in messages ("curve"), `package` the dotted name of the folder of entries."""
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}
        self._loaded = False
        self._lock = threading.RLock()

    def add(self, name: str, entry: T) -> T:
        """Register `entry`; a second entry of one name is a programming error (ValueError)."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def _load(self) -> None:
        with self._lock:
            if not self._loaded:
                self._loaded = True
                folder = importlib.import_module(self._package)
                for module in pkgutil.iter_modules(folder.__path__):
                    importlib.import_module(f"{self._package}.{module.name}")

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._load()
        return sorted(self._entries)

    def __iter__(self) -> Iterator[T]:
        """All entries in the order of their names."""
        return iter([self._entries[name] for name in self.names()])

    def __getitem__(self, name: str) -> T:
        """The entry called `name`; UsageError with the names that exist if there is none."""
        self._load()
        if name not in self._entries:
            raise UsageError(f"unknown {self.kind} {name!r}: choose one of {', '.join(self.names())}")
        return self._entries[name]
