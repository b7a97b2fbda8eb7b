"""Evaluation of a run: its predictions for a split, their metrics, plots, report and comparison."""
