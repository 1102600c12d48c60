"""From the answers of the store to findings: cells, models, selectors, what to run next."""
