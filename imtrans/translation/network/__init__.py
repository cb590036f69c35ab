"""What is done to a network so that it translates: its modes, its speed, its memory."""
