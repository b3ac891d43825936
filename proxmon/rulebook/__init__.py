"""What holds for which rule, host and subject: the settings, and what the owner said over them."""
