"""Work on one image: spans, footprints, lines, gaps, noise, sky, and the three planes of a box."""
