"""What goes wrong when the local cloud starts, told with what to do about it.

Exception
└── CloudError          the text says what happened, `remedy` what to do
"""


class CloudError(Exception):
    def __init__(self, happened: str, remedy: str) -> None:
        super().__init__(happened)
        self.remedy = remedy
