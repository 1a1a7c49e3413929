"""The organisation: brands of one group, regions, dealers, stores, guides, and who may speak to us in their name."""
