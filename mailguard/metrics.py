"""Every metric of MailGuard, named by the conventions of Prometheus."""
