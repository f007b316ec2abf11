"""One file a question; results/ holds JSON by machine."""
