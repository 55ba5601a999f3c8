"""The split: what each stage changes in a model, and what it adds."""
