"""Pure values and rules: scenes, items, settings, fields, text, paths, errors. Imports nothing but itself."""
