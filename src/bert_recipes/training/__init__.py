"""The one Trainer, losses, metrics, and the data of a stage."""
