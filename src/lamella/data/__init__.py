"""Values that the rooms hand to each other, each with its archived form."""
