"""SMTP on the wire: the server side (aiosmtpd, subclassed) and the next hop's client."""
