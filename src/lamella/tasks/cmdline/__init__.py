"""The command-line tasks of the manual: arguments, data references, task runner, persistence."""
