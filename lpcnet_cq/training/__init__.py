"""Training: recordings, losses, schedules, the training loop."""
