"""Statistics of samples: pure numpy, no clock, no files."""
