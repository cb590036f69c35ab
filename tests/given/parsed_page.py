"""A page of HTML, parsed: its texts, its elements, and what its scripts hold as JSON."""

import json
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br"}


class ParsedPage(HTMLParser):
    """Raises AssertionError where elements are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.data, self._open = [], [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, tag

    def handle_data(self, data):
        where = self._open[-1] if self._open else ""
        if where == "script" and self.elements[-1][1].get("type") == "application/json":
            self.data.append(json.loads(data))
        elif where not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag, **wanted):
        """The attributes of every element of this kind, those with these attributes."""
        return [
            attrs
            for name, attrs in self.elements
            if name == tag and all(attrs.get(key) == value for key, value in wanted.items())
        ]
