"""What surrounds a run: errors, launch, checkpoints, stops, memory, the Hub."""
