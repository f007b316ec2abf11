"""Volumes from projections: filtered backprojection of fan, cone and parallel beams, and what its filters do."""
