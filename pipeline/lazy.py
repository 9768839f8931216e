"""Modules that are imported when something in them is first asked for, because they take seconds to import."""

import importlib
from types import ModuleType
from typing import Any


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazily(name: str) -> Any:
    """A stand-in for the module of that name. Raises ImportError, where there is none, at its first use."""
    return _Module(name)
