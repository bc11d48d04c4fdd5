"""Findings as text, JSON and JUnit XML, and cases as files."""
