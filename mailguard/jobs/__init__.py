"""The alarm clock: APScheduler calls flow, and nothing else."""
