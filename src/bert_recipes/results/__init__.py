"""What a run leaves: predictions, baseline, figures, cards, tables."""
