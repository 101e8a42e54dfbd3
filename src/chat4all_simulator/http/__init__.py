"""HTTP as the providers speak it: requests, answers, and connections that can be cut, stalled and left half open."""
