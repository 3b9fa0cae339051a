"""Which patch is made where, and what is already done."""
