"""The phantom library as package data: physsim._phantoms when installed."""
