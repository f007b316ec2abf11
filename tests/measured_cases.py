"""A test object and the description of its scan, for tests of `physsim validate measured`."""


SCENE = """name = "object"
background = "air"
spacing_mm = 0.5
box_mm = [[-58, -58, -8], [58, 58, 8]]
""" + "".join(f"""
[[shapes]]
kind = "cylinder"
name = "{name}"
material = "{material}"
radius_mm = {radius}
length_mm = 40
centre_mm = [{x}, {y}, 0]
""" for name, material, radius, x, y in (
    ("body", "water", 55, 0, 0), ("teflon", "teflon_ct", 8, 0, 38), ("delrin", "delrin_ct", 8, -38, 0),
    ("bone", "bone_cortical", 8, 0, -38), ("ldpe", "ldpe", 8, 27, 27), ("pin", "tungsten", 0.4, 36, -12)))

DESCRIPTION = """name = "object"
volume = "slices"
slices_mm = [-2.0, 2.0]
regions = [
    { name = "teflon", centre_mm = [0, 38], radius_mm = 5 }, { name = "delrin", centre_mm = [-38, 0], radius_mm = 5 },
    { name = "bone", centre_mm = [0, -38], radius_mm = 5 }, { name = "ldpe", centre_mm = [27, 27], radius_mm = 5 },
    { name = "water", centre_mm = [0, 14], radius_mm = 10 },
]
noise = { centre_mm = [-8, -2], side_mm = 32 }
wire = { centre_mm = [36, -12], side_mm = 18 }

[phantom]
scene = "object.scene.toml"

[protocol]
preset = "head_ct"
views = 180
pixel_mm = [1.6, 1.6]
rows = 8
columns = 160
stops = 1
offset_mm = [0.4, 0.0]
matrix = 160
field_mm = 120.0
slice_mm = 1.0
range_mm = [-2.0, 2.0]
mas = 10.0
focal_spot_mm = [2.0, 2.0]
primary_rays = [3, 1, 1]
"""

STOP_SCENE = """name = "stop"
background = "air"
spacing_mm = 2.0
box_mm = [[-102, -102, -30], [102, 102, 30]]

[[shapes]]
kind = "cylinder"
name = "body"
material = "water"
radius_mm = 100
length_mm = 60

[[shapes]]
kind = "cylinder"
name = "stop"
material = "lead"
radius_mm = 8
length_mm = 60
"""

STOP_DESCRIPTION = """name = "stop"
projections = "views"
scatter = { histories = 4000 }
beam_stops = [{ under = [1, 4, 31, 32], beside = [1, 4, 24, 26], views = [0, 15] }]

[phantom]
scene = "stop.scene.toml"

[protocol]
preset = "head_ct"
views = 16
pixel_mm = [8.0, 8.0]
rows = 6
columns = 64
stops = 1
offset_mm = [0.0, 0.0]
matrix = 32
field_mm = 240.0
range_mm = [-2.0, 2.0]
slice_mm = 2.0
mas = 4.0
"""
