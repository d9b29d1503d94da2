"""Tests of the benchmark programs: that they read right what they measure."""
