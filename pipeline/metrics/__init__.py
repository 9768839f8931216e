"""What a competition scores by: metrics by name, their intervals, and the thresholds that decisions are made at."""
