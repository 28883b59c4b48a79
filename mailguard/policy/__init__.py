"""What findings mean for this school: levels, relationships, dispositions. Pure."""
