"""Reading LevelDB databases, which Caffe made before it turned to LMDB."""

from netspec.data.leveldb.records import LevelDb as LevelDb
from netspec.data.leveldb.records import is_leveldb as is_leveldb
