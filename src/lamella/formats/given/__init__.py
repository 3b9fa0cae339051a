"""Images that are given as values of Python: they take the way of files, so that nothing differs."""
