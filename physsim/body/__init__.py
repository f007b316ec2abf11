"""The parametric body: anatomy declared as data (phantoms/anatomy/*.toml), compiled, and voxelised at any spacing."""
