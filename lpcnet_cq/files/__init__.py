"""Files and live streams of any length."""
