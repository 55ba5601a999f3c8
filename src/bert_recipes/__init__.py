"""BERT's life in recipes. A mistake in a recipe's command line is told before its imports, which take seconds."""

import sys

from .arguments.early import check_command_line

check_command_line(sys.argv)
