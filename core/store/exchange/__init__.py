"""Results that leave a home or come into one: between homes, and as tables."""
