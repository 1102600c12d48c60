"""What is measured of tasks and encoders: domains, difficulty, what a stage changed, selectors."""
