"""Tests of the apimachinery room."""
