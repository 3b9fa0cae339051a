"""Files written by the C++ LSST stack (afw): exposures, coadds, visit summaries, single objects."""
