"""What goes on inside a model: gradients over time and depth, saturated and dead units, pictures of it."""

from fastrnn.diagnostics.activity import DeadUnits, Saturation, dead_relus, saturation
from fastrnn.diagnostics.drawing import draw
from fastrnn.diagnostics.fading import Fading
from fastrnn.diagnostics.flow import GradientFlow, gradient_flow

__all__ = ["DeadUnits", "Fading", "GradientFlow", "Saturation", "dead_relus", "draw", "gradient_flow", "saturation"]
