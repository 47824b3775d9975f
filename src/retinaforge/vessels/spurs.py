"""Remove dead ends that are bumps of a wall, not branches; join what they parted."""

from __future__ import annotations

import heapq

import numpy as np
from jaxtyping import Float, Int

from retinaforge.vessels.wiring import Wire, Wiring

SPUR_RADII = 1.5
"""A dead end shorter than this many radii of the vessel it leaves is a bump, not a branch."""

SPUR_UNIT = 4.0
"""... and so is one shorter than this, in units of the field of view's diameter / 512."""


def prune_spurs(
    wiring: Wiring, points: Int[np.ndarray, "n 2"], reach_px: Float[np.ndarray, "m"], *,
    unit_px: float,
) -> Wiring:  # fmt: skip
    """Remove spurs, the shortest first, until none is left.

    A spur is a wire with one free end, or one that leads back to the node it left, whose length is
    below max(`SPUR_RADII` times the distance of its node to the wall, `SPUR_UNIT` times the unit).

    Args:
        wiring: as `wire_up` made it.
        points: (row, column) of the skeleton's pixels.
        reach_px: distance of each node to the nearest wall, pixels.
        unit_px: the field of view's longer side / 512.

    Returns:
        Wires without spurs; nodes where two wires meet after that are gone from them.
    """
    mesh = _Mesh(wiring, points)
    limit = np.maximum(SPUR_RADII * reach_px, SPUR_UNIT * unit_px).tolist()

    def may_go(key: int) -> bool:
        """Return whether a wire may be short enough: its pixels are one apart or more."""
        wire = mesh.wires[key]
        return len(wire.path) - 1 < max(limit[wire.start], limit[wire.end])

    queue = [(mesh.length(key), key) for key in mesh.wires if may_go(key)]
    heapq.heapify(queue)
    while queue:
        length, key = heapq.heappop(queue)
        node = mesh.root_of_spur(key)
        if node is not None and length < limit[node]:
            joined = mesh.remove(key, node)
            if joined is not None and may_go(joined):
                heapq.heappush(queue, (mesh.length(joined), joined))
    return Wiring(wiring.nodes, tuple(mesh.wires.values()))


class _Mesh:
    """Wires by key, with the keys that meet at each node."""

    def __init__(self, wiring: Wiring, points: Int[np.ndarray, "n 2"]) -> None:
        self.nodes, self.points = wiring.nodes, points
        self.wires: dict[int, Wire] = dict(enumerate(wiring.wires))
        self.at: list[list[int]] = [[] for _ in range(len(wiring.nodes))]
        self.next = len(self.wires)
        for key, wire in self.wires.items():
            self.at[wire.start].append(key)
            self.at[wire.end].append(key)

    def length(self, key: int) -> float:
        """Return the length of a wire from node to node, in pixels."""
        wire = self.wires[key]
        line = np.concatenate(
            [self.nodes[[wire.start]], self.points[wire.path], self.nodes[[wire.end]]]
        )
        return float(np.hypot(*np.diff(line, axis=0).T).sum())

    def root_of_spur(self, key: int) -> int | None:
        """Return the branching node of a wire with one free end or of a loop, else None."""
        wire = self.wires.get(key)
        if wire is None:
            return None
        if wire.start == wire.end:
            return wire.start if len(self.at[wire.start]) >= 3 else None
        free = [len(self.at[node]) == 1 for node in (wire.start, wire.end)]
        if free[0] == free[1]:
            return None
        node = wire.end if free[0] else wire.start
        return node if len(self.at[node]) >= 3 else None

    def remove(self, key: int, node: int) -> int | None:
        """Take a wire away; return the key of the wire that two others became, if they did."""
        self._drop(key)
        if len(self.at[node]) != 2 or self.at[node][0] == self.at[node][1]:
            return None
        first, second = (self.wires[k] for k in self.at[node])
        keys = tuple(self.at[node])
        into = first.path if first.end == node else first.path[::-1]
        outof = second.path if second.start == node else second.path[::-1]
        start = first.start if first.end == node else first.end
        end = second.end if second.start == node else second.start
        for old in keys:
            self._drop(old)
        joined = Wire(np.concatenate([into, outof]), start, end)
        self.next += 1
        self.wires[self.next] = joined
        self.at[start].append(self.next)
        self.at[end].append(self.next)
        return self.next

    def _drop(self, key: int) -> None:
        wire = self.wires.pop(key)
        self.at[wire.start].remove(key)
        self.at[wire.end].remove(key)
