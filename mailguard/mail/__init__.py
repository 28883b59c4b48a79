"""What mail is: addresses, envelopes, parsed messages and the text a reader sees. Pure."""
