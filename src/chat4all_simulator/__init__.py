"""The providers' stand-in: speaks their wire formats, holds fake phones, misbehaves on demand, and logs it all.

It is the witness in every proof, so it imports nothing else of chat4all and runs only as a process of its own. What
all providers share lies here; each provider is one folder.
"""
