"""A template as it stands for given parameters: its conditions decided, its `If`s taken."""

from typing import Any

from tests.house.templates import Template

NOTHING = {"Ref": "AWS::NoValue"}


class Chosen:
    """`given` parameters over the template's defaults."""

    def __init__(self, template: Template, **given: str) -> None:
        self.body = template.body
        defaults = {name: one.get("Default", "") for name, one in self.body["Parameters"].items()}
        self.parameters = {**defaults, **given}

    def resources(self, kind: str = "AWS::") -> dict[str, Any]:
        """Properties by logical name of what there is, of this kind of type."""
        there = {name: one for name, one in self.body["Resources"].items() if self.holds(one.get("Condition"))}
        return {
            name: self.taken(one.get("Properties", {})) for name, one in there.items() if one["Type"].startswith(kind)
        }

    def outputs(self) -> set[str]:
        return {name for name, one in self.body["Outputs"].items() if self.holds(one.get("Condition"))}

    def holds(self, name: str | None) -> bool:
        return name is None or self.decided(self.body["Conditions"][name])

    def decided(self, condition: Any) -> bool:
        ((verb, parts),) = condition.items()
        match verb:
            case "Condition":
                return self.holds(parts)
            case "Fn::Equals":
                one, other = map(self.taken, parts)
                return str(one) == str(other)
            case "Fn::Not":
                return not self.decided(parts[0])
            case "Fn::And":
                return all(map(self.decided, parts))
            case "Fn::Or":
                return any(map(self.decided, parts))
        raise ValueError(f"no condition: {verb}")

    def taken(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self.taken, value) if item != NOTHING]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Fn::If"}:
            name, one, other = value["Fn::If"]
            return self.taken(one if self.holds(name) else other)
        if set(value) == {"Ref"}:
            return self.parameters.get(value["Ref"], value)
        items = ((key, self.taken(item)) for key, item in value.items())
        return {key: item for key, item in items if item != NOTHING}
