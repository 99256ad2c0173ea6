"""Data: what a data layer's tops are filled with.

A **source** (:mod:`~netspec.data.database`, :mod:`~netspec.data.image_list`,
:mod:`~netspec.data.hdf5`, :mod:`~netspec.data.memory`) is a pure function of a record's
number; a :class:`~netspec.data.feed.Feed` adds order and transformation, and is a pure
function of the files, the seed and the sample's number since training began; a
:class:`~netspec.data.prefetch.Prefetcher` calls it ahead of time from other threads.
"""
