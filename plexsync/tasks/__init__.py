"""Tasks and operations as Stash calls them."""
