"""The compiled module _arrays has nothing for Python; see _arrays.pxd."""
