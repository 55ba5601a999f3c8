"""The command line: the dataclasses, `parse`, and what is told before anything is loaded."""
