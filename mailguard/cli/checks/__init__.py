"""What ``mailguard check`` does, by what a technician would have to put right.

Every check really does the thing, as the user who owns database and spool, and leaves nothing
behind: a file or folder made by root could lock the service out.
"""
