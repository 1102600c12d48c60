"""Pickers, tables and panels shared by pages."""
