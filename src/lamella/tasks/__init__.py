"""lamella on the LSST middleware: repositories, storage classes, tasks. Needs the extra ``[lsst]``."""
