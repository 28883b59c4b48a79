"""What is kept: held messages, their states, evidence and retention. Pure."""
