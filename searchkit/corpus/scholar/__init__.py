"""What bibliographies and scholarly databases write -> rows under one set of names, and back."""
