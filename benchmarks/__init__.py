"""Figures of speed and memory, measured side by side in one run; nothing else imports them."""
