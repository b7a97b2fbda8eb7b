"""A trained network in use: names for photos, and exports for those who serve them."""
