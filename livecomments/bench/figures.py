"""How the archive's benches tell a figure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. ``target``: what issue 8 asks; None: no figure was set."""

    name: str
    value: float
    unit: str
    target: float | None = None
    met: bool | None = None

    def __str__(self) -> str:
        asked = f"   asked {self.target:,.0f}: {'met' if self.met else 'NOT met'}" if self.target else ""
        return f"{self.name:<36} {self.value:>12,.1f} {self.unit}{asked}"
