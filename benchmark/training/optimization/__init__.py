"""What follows from gradients: optimisers, schedules, averages, and which of their settings go together."""
