"""What `quality.py personal-data` is made of."""
