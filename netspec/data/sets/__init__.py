"""Databases of whole image sets: ImageNet's archives, or a folder a class.

Nothing is ever unpacked: members of archives are found by their headers and read where
they lie, so that names, links and claimed sizes in them have nothing to act on.
"""
