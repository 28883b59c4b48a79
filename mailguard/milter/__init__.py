"""The milter protocol: a mail server asks what to do with a message that it keeps in hand itself.

Bytes in and out are :mod:`frame` and :mod:`codec`, what a session means is :mod:`dialogue`; both do
no I/O. :mod:`connection` and :mod:`server` are the sockets around them.
"""
