"""The background process: the full worker while there is work, a small idle process otherwise."""
