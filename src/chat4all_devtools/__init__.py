"""Tools of developers: the engines' stack, the stories of the demo, and processes for tests and measurements."""
