"""The background process: worker while there is work, small waiter while there is none."""
