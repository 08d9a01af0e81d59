"""From an export straight to the figure of its last hour and a forecast of the next."""

from quintet.glucose.asking import Asked
from quintet.glucose.messages import ProcessRequest, QuickPlotResponse
from quintet.glucose.outlook import outlook
from quintet.glucose.plotting import figure_of
from quintet.glucose.processing import analysed_recently, received
from quintet.glucose.stretch import TooShortStretch
from quintet.glucose.workshop import Workshop
from quintet.kernel.errors import InvalidInput


def quick_plot(request: ProcessRequest, asked: Asked, workshop: Workshop) -> QuickPlotResponse:
    """The figure shows the last hour as it was and as it was foreseen; the forecast is of the hour to come.

    What is wrong with the data is said in the answer (`error`), as the original does.
    """
    workshop.admit()
    try:
        export = received(request, workshop)
        analysis = analysed_recently(export, asked, workshop, force=request.force_calculate)
    except TooShortStretch as error:
        return QuickPlotResponse(plot_data={}, warnings=error.warnings, error=error.message)
    except InvalidInput as error:
        return QuickPlotResponse(plot_data={}, error=error.message)
    return QuickPlotResponse(
        plot_data=figure_of(export.handle, analysis, 0, request.unit, asked, workshop),
        warnings=analysis.recent_warnings,
        forecast=outlook(analysis, request.unit) if analysis.current else None,
    )
