"""One script a code to measure. Each runs in an interpreter of its own and speaks the protocol of serve.py."""
