"""MailGuard: an e-mail gateway filter and monitoring milter for schools."""

__version__ = "0.2.0"
