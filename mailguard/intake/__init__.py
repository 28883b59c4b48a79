"""What relay and milter both need to take a message in."""
