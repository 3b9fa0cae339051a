"""PSF models beyond those of lsst.images, and the PSF of a coadd."""
