"""MailGuard: an e-mail gateway filter and monitoring milter for schools."""

__version__ = "0.1.0"
