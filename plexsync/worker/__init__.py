"""The loop that drains the queue, and what becomes of each job. Imports every layer below it."""
