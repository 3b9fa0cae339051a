"""The main module of the processes that a script starts which `lamella.tasks.manual.script` runs."""

from __future__ import annotations

from .script import script_attribute as __getattr__

__all__ = ("__getattr__",)
