"""The models of the committed files, and the one way to read and write them."""
