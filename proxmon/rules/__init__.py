"""The rules: each judges one thing about a host, from its newest samples, without any I/O."""
