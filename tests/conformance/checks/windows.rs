//! Gold: the same numbers, however they are asked for.
