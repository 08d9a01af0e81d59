"""Why a task does not come to run.

Exception
└── CannotStart         the text is the task's stoppedReason, in ECS's words
"""


class CannotStart(Exception):
    pass
