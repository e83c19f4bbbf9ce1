"""The shapes of what Converse sends: as tolerant as an answer is read, what is not known is passed over."""

import msgspec

from intertie.core.chat import Citation


class Shape(msgspec.Struct, rename="camel"):
    """An object of Converse; its unions are objects of which one field is there."""


class Words(Shape):
    """A text inside something else."""

    text: str = ""


class Source(Shape):
    """Bytes by value, base64."""

    bytes: str = ""


class Media(Shape):
    """A picture or sound; `format` is png, mp3 …"""

    format: str = ""
    source: Source = msgspec.field(default_factory=Source)


class Web(Shape):
    """A place in the web."""

    url: str = ""


class Location(Shape):
    """Where a quote stands; places inside documents of the call are counted in ways that no other dialect shares."""

    web: Web | None = None


class Cite(Shape):
    """What a text rests on."""

    title: str = ""
    source: str = ""
    source_content: list[Words] | None = None
    location: Location | None = None

    def citation(self) -> Citation:
        """The same in the words of all dialects."""
        web = self.location.web if self.location is not None else None
        quote = "".join(words.text for words in self.source_content or ())
        return Citation(url=web.url if web is not None else self.source, title=self.title, quote=quote)


class ToolUse(Shape):
    """A call of a tool; `type` is there if the endpoint runs the tool itself. Streams tell no `input` with it."""

    tool_use_id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")
    type: str = ""


class Extra(Shape):
    """What was asked for by `additionalModelResponseFieldPaths`; its name is the model's own."""

    stop_sequence: str | None = msgspec.field(name="stop_sequence", default=None)


_extra = msgspec.json.Decoder(Extra).decode


def stop_text(additional: msgspec.Raw) -> str:
    """The stop sequence that came, "" where the model does not tell it."""
    try:
        return (_extra(additional).stop_sequence or "") if additional else ""
    except msgspec.DecodeError:
        return ""
