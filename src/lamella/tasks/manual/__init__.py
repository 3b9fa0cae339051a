"""The tasks of the AssembleCoaddTask manual page, by their documented names."""
