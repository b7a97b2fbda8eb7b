"""A trained network in use: predictions for images, and exports for serving."""
