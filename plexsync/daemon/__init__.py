"""The background process: full worker while there is work, idle while there is none."""
