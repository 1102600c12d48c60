"""What tests and benches are run on: run folders, a filled home, rows straight into the tables; all made up."""
