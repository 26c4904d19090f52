"""What `gain doctor` checks."""
