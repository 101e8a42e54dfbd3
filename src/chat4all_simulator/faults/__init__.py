"""Misbehaviour on demand: rules that say which calls and updates, when, and what goes wrong with them."""
