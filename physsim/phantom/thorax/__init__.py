"""The demonstration thorax: an adult chest from shapes, until the parametric body takes its place."""

from physsim.phantom.thorax.scene import default_lesion, thorax, thorax_scene

__all__ = ["default_lesion", "thorax", "thorax_scene"]
