"""Imports: files of members, stores, guides and orders brought in from other systems."""
