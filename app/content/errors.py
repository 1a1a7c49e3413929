"""What can be wrong with material."""

from __future__ import annotations

from app.core.errors import Invalid, NotFound


class MaterialUnknown(NotFound):
    code, message = "material_unknown", "There is no such material."


class MaterialInvalid(Invalid):
    code, message = "material_invalid", "The material is not complete for its kind."


class VariableUnknown(Invalid):
    code, message = "variable_unknown", "The text names a variable that does not exist."
