"""Drift: is a feature still distributed as in its reference window, and is it in good health?"""
