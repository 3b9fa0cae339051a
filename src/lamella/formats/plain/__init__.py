"""Images of nobody in particular: a picture with a projection to the sky, and whatever its cards tell."""
