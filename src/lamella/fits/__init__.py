"""All reading and writing of FITS."""
