"""A simulated sky with known truth, and helpers for tests; shipped for users who test their own readers."""
