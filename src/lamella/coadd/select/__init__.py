"""Choice of the exposures that enter a coadd."""
