"""Hostile work kept away from the relay: type sniffing, and worker processes that can be killed."""
