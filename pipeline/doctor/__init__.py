"""What the data alone say before anything is trained."""
