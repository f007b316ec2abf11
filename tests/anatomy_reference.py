"""The body evaluated another way: float64, every part at every point, numerical gradients, painted back to front.

It shares the rows that splines and lofts are resampled to, and nothing of the program, its culling or its kernels.
"""

from __future__ import annotations

import ast
import math

import numpy as np

from physsim.body import shapes
from physsim.body.noise import octaves
from physsim.phantom.curves import monotone_cubic

FAR = 1e6


class Reference:
    """Distances and voxels of a Body at points (n, 3) mm of the canonical frame."""

    def __init__(self, body):
        self.body = body
        self.noises = {noise.name: octaves(noise, body.seed) for noise in body.declared.noise}
        self.warps = {warp.name: warp for warp in body.declared.warp}
        self.fields = {field.name: field for field in body.fields}

    # --- expressions

    def value(self, text, p):
        if isinstance(text, (int, float)):
            return np.full(len(p), float(text))
        return np.broadcast_to(self._eval(ast.parse(text.strip(), mode="eval").body, p), (len(p),)).astype(float)

    def _eval(self, node, p):
        if isinstance(node, ast.Constant):
            return float(node.value)
        if isinstance(node, ast.Name):
            if node.id in "xyz" and len(node.id) == 1:
                return p[:, "xyz".index(node.id)]
            if node.id in self.body.numbers:
                return self.body.numbers[node.id]
            return self.value(self.body.declared.expressions[node.id], p)
        if isinstance(node, ast.UnaryOp):
            value = self._eval(node.operand, p)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp):
            a, b = self._eval(node.left, p), self._eval(node.right, p)
            kind = type(node.op).__name__
            return {"Add": lambda: a + b, "Sub": lambda: a - b, "Mult": lambda: a * b, "Div": lambda: a / b,
                    "Pow": lambda: a**b}[kind]()  # fmt: skip
        if isinstance(node, ast.Compare):
            a, b = self._eval(node.left, p), self._eval(node.comparators[0], p)
            kinds = {ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal}
            return np.where(kinds[type(node.ops[0])](a, b), 1.0, 0.0)
        return self._call(node, p)

    def _call(self, node, p):
        name = node.func.id
        if name == "noise":
            return self.noise(node.args[0].value, p)
        if name == "field":
            return self.distance(self.fields[node.args[0].value], self._canonical)[0]
        if name == "table":
            rows = node.args[1]
            rows = self.body.tables[rows.value] if isinstance(rows, ast.Constant) else ast.literal_eval(rows)
            rows = np.array(rows, float)
            at = np.clip(self._eval(node.args[0], p), rows[0, 0], rows[-1, 0])
            return monotone_cubic(rows[:, 0], rows[:, 1:], np.atleast_1d(at))[:, 0]
        a = [self._eval(one, p) for one in node.args]
        if name in ("min", "max"):
            result = a[0]
            for one in a[1:]:
                result = np.minimum(result, one) if name == "min" else np.maximum(result, one)
            return result
        table = {
            "abs": np.abs, "sqrt": lambda v: np.sqrt(np.maximum(v, 0)), "exp": np.exp, "log": np.log, "sin": np.sin,
            "cos": np.cos, "hypot": np.hypot, "clip": lambda v, b, c: np.minimum(np.maximum(v, b), c),
            "s": lambda v: 1 / (1 + np.exp(-v)), "smax": lambda u, v, k: -smooth_min(-u, -v, k), "smin": smooth_min,
        }  # fmt: skip
        return table[name](*a)

    def noise(self, name, p):
        total = np.zeros(len(p))
        for row, seed in self.noises[name]:
            q = p @ row[:9].reshape(3, 3).T + row[9:12]
            base = np.floor(q)
            t = q - base
            w = t * t * (3 - 2 * t)
            cell = base.astype(np.int64)
            for corner in range(8):
                bits = [corner >> a & 1 for a in range(3)]
                weight = np.prod([w[:, a] if bits[a] else 1 - w[:, a] for a in range(3)], axis=0)
                total += row[12] * weight * hashed(cell + bits, seed)
        return total

    # --- frames

    def frame(self, solid, p):
        if solid.warp:
            p = p + self._displacement(self.warps[solid.warp], p)
        if solid.name in self.body.mirrored:
            p = p * [-1, 1, 1]
        elif solid.mirror:
            p = np.c_[np.abs(p[:, 0]), p[:, 1:]]
        scale = self.body.number(solid.scale)
        if scale != 1:
            anchor = np.array([self.body.number(c) for c in solid.anchor])
            p = anchor + (p - anchor) / scale
        return p, scale

    def _displacement(self, warp, p):
        """Trilinear between the warp's expressions at whole multiples of its step."""
        base = np.floor(p / warp.step_mm)
        t = p / warp.step_mm - base
        total = np.zeros_like(p)
        for corner in range(8):
            bits = np.array([corner >> a & 1 for a in range(3)])
            node = (base + bits) * warp.step_mm
            weight = np.prod(np.where(bits, t, 1 - t), axis=1)
            total += weight[:, None] * np.stack([self.value(e, node) for e in (warp.x, warp.y, warp.z)], axis=1)
        return total

    # --- solids

    def distance(self, solid, canonical):
        """d, cortex, organ (name or None), thin at canonical points."""
        number = self.body.number
        p, scale = self.frame(solid, canonical)
        d, cortex, thin = np.full(len(p), FAR), np.zeros(len(p)), np.ones(len(p))
        organ = np.full(len(p), None, object)
        for part in solid.parts:
            self._canonical = canonical
            k = number(part.blend_mm) if part.blend_mm is not None else number(solid.blend_mm)
            if part.field is not None:
                q, c, o, t = self.distance(self.fields[part.field], canonical)
                self._canonical = canonical
            else:
                q, t = self.shape(part, p)
                q = q * scale
                c, o = np.zeros(len(p)), np.full(len(p), None, object)
            text = part.cortex_mm if part.cortex_mm is not None else solid.cortex_mm
            if text is not None and (part.field is None or part.cortex_mm is not None):
                c = self.value(text, p)
            if part.organ is not None:
                o = np.full(len(p), part.organ, object)
            q = q - self.value(part.grow_mm, p)
            if part.op == "add":
                h = np.maximum(0, 1 - np.abs(d - q) / k) / 2 if k > 0 else 0.0
                share = np.where(d > q, 1 - h, h)
                cortex = cortex + share * (c - cortex)
                organ, thin = np.where(d > q, o, organ), np.where(d > q, t, thin)
                d = smooth_min(d, q, k)
            else:
                d = -smooth_min(-d, q if part.op == "subtract" else -q, k)
        k = number(solid.clip_blend_mm)
        for text, sign in [*((t, 1.0) for t in solid.inside), *((t, -1.0) for t in solid.outside)]:
            index, offset = self.body.clip(text, solid.name)
            q = sign * (self.distance(self.body.fields[index], canonical)[0] + offset)
            d = -smooth_min(-d, -q, k)
        self._canonical = canonical
        return d, cortex, organ, thin

    def thin(self, solid):
        """Whether branches are among its parts."""
        return any(p.branches is not None or (p.field and self.thin(self.fields[p.field])) for p in solid.parts)

    def shape(self, part, p):
        value = self.body.number
        ones = np.ones(len(p))
        kind = part.kind
        if kind == "ellipsoid":
            return ellipsoid(shapes.ellipsoid(part.ellipsoid, value).constants, p), ones
        if kind == "plane":
            normal = np.array([value(c) for c in part.plane.normal])
            point = np.array([value(c) for c in part.plane.point])
            return (p - point) @ normal / np.linalg.norm(normal), ones
        if kind == "tube":
            made = shapes.tube(part.tube, value)
            return tube(made.rows, p, made.op == "ELLIPTIC_TUBE"), ones
        if kind == "branches":
            return capsules(shapes.branches(part.branches).rows, p, self.least_radius)
        if kind == "loft":
            return loft(shapes.loft(part.loft, value), p), ones
        if kind == "plate":
            return plate(part.plate, p, value), ones
        if kind == "surface":
            return sheet(shapes.surface(part.surface, value).rows, p), ones
        return self._expression(part, p), ones

    def _expression(self, part, p):
        if part.distance is not None:
            return self.value(part.distance, p)
        canonical, step = self._canonical, 1e-3
        f = self.value(part.height if part.height is not None else part.implicit, p)
        slopes = []
        for axis in range(3):
            move = np.eye(3)[axis] * step
            text = part.height if part.height is not None else part.implicit
            slopes.append((self.value(text, p + move) - self.value(text, p - move)) / (2 * step))
        self._canonical = canonical
        if part.height is not None:
            return (p[:, 2] - f) / np.sqrt(1 + slopes[0] ** 2 + slopes[1] ** 2)
        return f / np.maximum(np.sqrt(sum(s**2 for s in slopes)), 1e-6)

    # --- voxels

    def voxels(self, points, voxel):
        """Masses (n, materials), volumes (n, organs) of voxels at canonical points, later structures over earlier."""
        body = self.body
        self.least_radius = 0.5 * voxel
        densities = np.array([one.density_g_cm3 for one in body.materials])
        mass = np.zeros((len(points), len(body.materials)))
        volume = np.zeros((len(points), len(body.organs)))
        mass[:, 0], volume[:, 0] = densities[0], 1.0
        for structure in sorted(body.structures, key=lambda s: s.order):
            d, cortex, organ, thin = self.distance(structure, points)
            near = np.flatnonzero(d < 2.5 * voxel)
            if len(near) == 0:
                continue
            cortex, organ, thin, own = cortex[near], organ[near], thin[near], points[near]
            d = self.mean_distance(structure, own, voxel)
            p, _ = self.frame(structure, own)
            self._canonical = own
            layers = structure.filled()
            outer = np.clip(0.5 - d / voxel, 0, 1) * thin
            if structure.around:  # what is inside is painted later, over its share of this
                inside = next(one for one in body.structures if one.name == structure.around)
                covered = np.clip(0.5 - self.mean_distance(inside, own, voxel) / voxel, 0, 1)
                covered *= self.distance(inside, own)[3]
                outer = np.clip((outer - covered) / np.maximum(1 - covered, 1e-12), 0, 1)
            mass[near] *= (1 - outer)[:, None]
            volume[near] *= (1 - outer)[:, None]
            for n, layer in enumerate(layers):
                inner = np.zeros(len(near))
                if n + 1 < len(layers):
                    text = layers[n + 1].depth_mm
                    depth = cortex if text == "cortex" else self.value(text, p)
                    inner = np.minimum(np.clip(0.5 - (d + depth) / voxel, 0, 1), outer)
                share = outer - inner
                density = self.value(layer.density, p)
                if layer.texture:
                    factor = next(t.factor for t in body.declared.texture if t.name == layer.texture)
                    density = density * self.value(factor, own)  # of the canonical frame: both of a pair have their own
                density = np.clip(density, 0, 7.5)
                first = body.material_names.index(layer.material)
                fraction = np.zeros(len(near))
                if layer.mix:
                    fraction = np.clip(self.value(layer.mix.fraction, p), 0, 1)
                    other = body.material_names.index(layer.mix.material)
                    mass[near, other] += share * fraction * density * densities[other]
                mass[near, first] += share * (1 - fraction) * density * densities[first]
                default = layer.organ or structure.organ or structure.name
                for row, amount, name in zip(near, share, organ, strict=True):
                    if amount > 0:
                        volume[row, body.organs.index(default if layer.organ or name is None else name)] += amount
                outer = inner
        return mass, volume

    def mean_distance(self, structure, points, voxel):
        """Of a voxel, where nothing is thin; else that of its middle."""
        d = self.distance(structure, points)[0]
        if self.thin(structure):
            return d
        second = -6 * d
        for move in np.vstack([np.eye(3), -np.eye(3)]):
            second += self.distance(structure, points + voxel * move)[0]
        return d + np.clip(second / 24, -voxel / 4, voxel / 4)


def hashed(cell, seed):
    with np.errstate(over="ignore"):
        u, v, w = (cell[:, a].astype(np.uint64) for a in range(3))
        mask = np.uint64(0xFFFFFFFF)
        h = (u * np.uint64(0x8DA6B343)) ^ (v * np.uint64(0xD8163841)) ^ (w * np.uint64(0xCB1AB31F) + np.uint64(seed))
        h &= mask
        h ^= h >> np.uint64(15)
        h = (h * np.uint64(0x2C1B3C6D)) & mask
        h ^= h >> np.uint64(12)
        h = (h * np.uint64(0x297A2D39)) & mask
        h ^= h >> np.uint64(15)
    return (h >> np.uint64(8)).astype(float) * 2.0**-23 - 1.0


def smooth_min(a, b, k):
    if np.ndim(k) == 0 and k <= 0:
        return np.minimum(a, b)
    h = np.maximum(0, 1 - np.abs(a - b) / k)
    return np.minimum(a, b) - h * h * k / 4


def ellipsoid(c, p):
    q = np.abs((p - c[:3]) @ c[3:12].reshape(3, 3).T * c[12:15]) + 1e-9
    n = c[15]
    f = (q**n).sum(1) ** (1 / n)
    slope = f[:, None] ** (1 - n) * q ** (n - 1) * c[12:15]
    return (f - 1) / np.linalg.norm(slope, axis=1)


def tube(rows, p, elliptic):
    best, key = np.full(len(p), FAR), np.full(len(p), FAR**2)
    for s in rows:
        q = p - s[:3]
        t = np.clip(q @ s[3:6] * s[6], 0, 1)
        q = q - t[:, None] * s[3:6]
        length = np.linalg.norm(q, axis=1)
        a, b = s[7] + t * s[8], s[9] + t * s[10]
        if not elliptic:
            best = np.minimum(best, length - a)
            continue
        u = (q * (s[11:14] + t[:, None] * s[14:17])).sum(1)
        v = (q * (s[17:20] + t[:, None] * s[20:23])).sum(1)
        w = np.sqrt(np.maximum(length**2 - u**2 - v**2, 0))
        semi = np.stack([a, b, np.minimum(a, b)], axis=1)
        k = np.stack([u, v, w], axis=1) / semi
        size = np.maximum(np.linalg.norm(k, axis=1), 1e-9)
        d = size * (size - 1) / np.maximum(np.linalg.norm(k / semi, axis=1), 1e-9 / semi.min())
        best, key = np.where(length < key, d, best), np.minimum(key, length)
    return best


def capsules(rows, p, least):
    """Distance and coverage over that of the distance: thin ones (below the radius `least`) add up as averaged rods."""
    best, total, voxel = np.full(len(p), FAR), np.zeros(len(p)), 2 * least
    reach = 20.0 + rows[:, 7:8] + np.abs(rows[:, 8:9])  # farther ones are far from every point
    low = np.minimum(rows[:, :3], rows[:, :3] + rows[:, 3:6]) - reach
    high = np.maximum(rows[:, :3], rows[:, :3] + rows[:, 3:6]) + reach
    for s in rows[((low <= p.max(0)) & (high >= p.min(0))).all(1)]:
        q, length = p - s[:3], np.linalg.norm(s[3:6])
        along = q @ s[3:6] * s[6]
        t = np.clip(along, 0, 1)
        own = s[7] + t * s[8]
        drawn = np.sqrt(np.maximum(own**2 - least**2 / 3, least**2))
        if min(s[7], s[7] + s[8]) ** 2 > least**2 * 4 / 3:
            best = np.minimum(best, np.linalg.norm(q - t[:, None] * s[3:6], axis=1) - drawn)
            continue
        across = np.linalg.norm(q - along[:, None] * s[3:6], axis=1)
        rod = np.clip(0.5 + along * length / voxel, 0, 1) - np.clip(0.5 + (along - 1) * length / voxel, 0, 1)
        total += rod * np.clip(0.5 - (across - drawn) / voxel, 0, 1) * own**2 / (drawn**2 + least**2 / 3)
    total = np.minimum(total, 1)
    covered = np.clip(0.5 - best / voxel, 0, 1)
    return np.where(total > 0, -voxel, best), np.where(total > 0, covered + (1 - covered) * total, 1)


def loft(made, p):
    z0, inverse, z1, x, notch, blend = made.constants
    at = np.arange(len(made.rows)) / inverse + z0

    def rows(z):
        return [np.interp(z, at, made.rows[:, c]) for c in range(6)]

    def outline(q):
        a, mid, h, front, back, g = rows(q[:, 2])
        u, v = q[:, 0] - x, q[:, 1] - mid
        e = np.where(v > 0, back, front)
        v = v + g * np.clip(v / h, 0, 1) * np.exp(-notch * u * u)
        return u, v, a, h, e

    u, v, a, h, e = outline(p)
    f = (np.abs(u / a) ** e + np.abs(v / h) ** e) ** (1 / e)
    # the slopes of the outline's numbers with z stand in the gradient, those of exponents and notch are neglected
    index = np.clip((p[:, 2] - z0) * inverse, 0, len(made.rows) - 1.001).astype(int)
    da, dm, dh = ((made.rows[index + 1, c] - made.rows[index, c]) * inverse for c in range(3))
    pu, pv = np.abs(u / a) ** e, np.abs(v / h) ** e
    pu, pv = pu / (pu + pv), pv / (pu + pv)
    gu, gv = pu / (np.abs(u) + 1e-12), pv / (np.abs(v) + 1e-12)
    gz = pu * da / a + pv * dh / h + np.sign(v) * gv * dm
    d = (f - 1) / (f * np.sqrt(gu**2 + gv**2 + gz**2))
    return -smooth_min(-d, -np.maximum(z0 - p[:, 2], p[:, 2] - z1), blend)


def plate(shape, p, value):
    corners = np.array([[value(c) for c in q] for q in shape.polygon])
    c = shapes.plate(shape, value).constants
    origin, first, second, normal, half, rounding = c[:3], c[3:6], c[6:9], c[9:12], c[12], c[13]
    flat = np.c_[(corners - origin) @ first, (corners - origin) @ second]
    q = np.c_[(p - origin) @ first, (p - origin) @ second]
    best, winding = np.full(len(p), FAR), np.zeros(len(p))
    for a, b in zip(flat, np.roll(flat, -1, axis=0), strict=True):
        t = np.clip((q - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        best = np.minimum(best, np.linalg.norm(q - a - t[:, None] * (b - a), axis=1))
        u, v = a - q, b - q
        winding += np.arctan2(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(1))
    edge = np.where(np.abs(winding) > math.pi, -best, best) + rounding
    face = np.abs((p - origin) @ normal) - half + rounding
    return np.minimum(np.maximum(edge, face), 0) + np.hypot(np.maximum(edge, 0), np.maximum(face, 0)) - rounding


def sheet(rows, p):
    best = np.full(len(p), FAR)
    for s in rows:
        a, b = s[3:6], s[6:9]
        q = p - s[:3]
        solved = np.linalg.lstsq(np.c_[a, b], q.T, rcond=None)[0].T
        inside = (solved >= 0).all(1) & (solved.sum(1) <= 1)
        edges = [(np.zeros(3), a), (np.zeros(3), b), (a, b - a)]
        near = np.min([_to_edge(q - start, edge) for start, edge in edges], axis=0)
        length = np.where(inside, np.abs(q @ np.cross(a, b)) / np.linalg.norm(np.cross(a, b)), near)
        u, v = np.maximum(solved, 0).T
        best = np.minimum(best, length - 0.5 * np.clip(s[9] + u * s[10] + v * s[11], s[12], s[13]))
    return best


def _to_edge(q, edge):
    t = np.clip(q @ edge / (edge @ edge), 0, 1)
    return np.linalg.norm(q - t[:, None] * edge, axis=1)
