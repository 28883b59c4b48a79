"""Hostile work kept away from the relay: type sniffing, the judging process, and the cage."""
