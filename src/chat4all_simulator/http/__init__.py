"""HTTP as the providers speak it: requests, answers, and lines that can be cut, stalled and left half open."""
