"""What a person sees of an evaluation: report.html, its charts and its pictures."""
