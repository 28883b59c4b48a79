"""What we tell people: digests and alerts. They are composed here, and sent elsewhere."""
