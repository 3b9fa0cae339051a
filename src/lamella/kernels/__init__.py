"""Hot loops: numpy and numba only, arrays in, arrays out."""
