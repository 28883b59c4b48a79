"""One detector a file: what a rule cannot say. `scan.detector` tells what such a file has."""
