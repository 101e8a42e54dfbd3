"""What people do in a conversation: accept it into the log, read it back, keep count of who has seen what."""
