"""The ``lamella`` command."""
