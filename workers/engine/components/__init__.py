"""Components of publishers as programs: they run in the sandbox, and reach the engine through one narrow door."""
