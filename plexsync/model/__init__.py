"""Pure values and rules: scenes, items, settings, fields, text, paths, errors. Imports no other package."""
