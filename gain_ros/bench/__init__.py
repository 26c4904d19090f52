"""What `gain bench` and `gain compare` measure."""
