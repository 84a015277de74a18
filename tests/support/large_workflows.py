"""Workflows of many steps."""

from __future__ import annotations


def large_workflow(steps=220):
    """Branches in a row, each with three routes and a loop."""
    made, number = [], 0
    while number < steps:
        inner = [
            {
                "kind": "action",
                "key": f"set_{number + n}",
                "action": "data.set",
                "inputs": {"t": "{{ event.payload.t }}", "n": n},
            }
            for n in range(8)
        ]
        made.append(
            {
                "kind": "branch",
                "key": f"branch_{number}",
                "arms": [
                    {"key": "a", "when": {"==": [{"var": "event.payload.t"}, "a"]}, "steps": inner[:3]},
                    {"key": "b", "when": {"==": [{"var": "event.payload.t"}, "b"]}, "steps": inner[3:5]},
                ],
                "otherwise": [
                    {"kind": "for_each", "key": f"each_{number}", "items": "{{ event.payload.l }}", "steps": inner[5:]}
                ],
            }
        )
        number += 10
    return {"name": "Large", "slug": "large", "triggers": [{"kind": "manual"}], "steps": made}
