"""Training: material, losses, schedules, the loop."""
