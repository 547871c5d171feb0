//! Joins overlay, records and events: the whole behaviour of one graph on one node, without I/O.
