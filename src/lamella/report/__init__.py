"""Pictures and the page that describe a run."""
