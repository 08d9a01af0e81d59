"""What the use cases work with, put together by wiring: the same for every door."""

from dataclasses import dataclass, field

from quintet.glucose.cache import AnalysisCache
from quintet.glucose.export import Handles
from quintet.glucose.ports import Computations, Forecaster
from quintet.glucose.settings import GlucoseForecast


@dataclass(frozen=True)
class Workshop:
    """`inference` runs forecasts and `drawing` figures."""

    forecaster: Forecaster
    cache: AnalysisCache
    inference: Computations
    drawing: Computations
    settings: GlucoseForecast
    handles: Handles = field(default_factory=Handles)

    def admit(self) -> None:
        """Raises Overloaded where no further request should be begun."""
        self.inference.admit()
        self.drawing.admit()
