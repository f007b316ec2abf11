"""Voxel phantoms, shapes with exact chords, voxelisation."""
