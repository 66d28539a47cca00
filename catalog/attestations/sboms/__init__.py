"""Bills of materials: kept byte for byte, and indexed by package so that one can ask where a package runs."""
