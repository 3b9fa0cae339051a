"""Archives of lamella's products: reading, writing, plain FITS."""
