"""What ``mailguard check`` looks at, by what a technician would have to put right.

Nothing is left behind: a file or folder made here, perhaps by root, could lock the service out.
"""
