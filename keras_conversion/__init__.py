"""Converts weights between keras.applications and slim's networks."""
