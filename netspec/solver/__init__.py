"""Training: schedules, update rules, snapshots, and the loop that uses them."""
