"""The classes of single instruments, by name; made when the middleware imports them.

``lamella.tasks.instruments.HSC`` is the class of the instrument HSC, and so for
any name.  A dot in a name is written ``%2E``.  Nothing else is defined here, so
that no name is taken.
"""


def __getattr__(name: str) -> object:
    from .instrument import instrument_class

    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return instrument_class(name.replace("%2E", "."))
