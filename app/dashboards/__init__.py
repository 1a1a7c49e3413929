"""What managers look at: reads over all domains, always within one brand and the stores the reader may see."""
