"""What an evaluation found: predictions, their metrics, and plots of both, from numpy arrays."""
