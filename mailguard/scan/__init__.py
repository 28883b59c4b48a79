"""What is in a message: rules, detectors and the one pass that runs them. Pure."""
