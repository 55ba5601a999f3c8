"""Imported before processes are forked: none of them reads the reviews again."""

from bert_recipes.text.builtin_corpora import load_builtin

load_builtin("reviews")
