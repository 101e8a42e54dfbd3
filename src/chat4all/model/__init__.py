"""The model is pure data and pure rules: no input, no output, no clock. Everything may import it; it imports nothing of
ours."""
