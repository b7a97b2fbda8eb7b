"""Benchmarks of speed and memory; nothing else imports them."""
