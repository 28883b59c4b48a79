"""Where things are kept: the database, the audit log, the ledger and the spool of evidence."""
