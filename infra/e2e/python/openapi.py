"""The OpenAPI document and whether values fit the schemas in it."""

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

METHODS = ("get", "post", "put", "patch", "delete")
URI = "urn:openapi"


class Document:
    def __init__(self, document):
        self.document = document
        self.registry = Registry().with_resource(URI, DRAFT202012.create_resource(document))

    def operations(self):
        """Every path, method and operation."""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method]

    def follow(self, node):
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        return self.document["components"][kind][name]

    def fits(self, value, schema):
        """Raises what is wrong with the value, if anything is."""
        if "$ref" in schema:
            schema = {"$ref": URI + schema["$ref"]}
        Draft202012Validator(self._whole(schema), registry=self.registry).validate(value)

    def _whole(self, schema):
        # A schema inside the document names its neighbours relative to the document.
        if isinstance(schema, dict):
            return {
                key: URI + value if key == "$ref" and value.startswith("#") else self._whole(value)
                for key, value in schema.items()
            }
        return [self._whole(one) for one in schema] if isinstance(schema, list) else schema

    def line_fits(self, line):
        self.fits(line, {"$ref": "#/components/schemas/Line"})

    def event_fits(self, name, data):
        events = self.document["components"]["schemas"]["Events"]["properties"]
        assert name in events, f"an event that is not described: {name}"
        self.fits(data, {"$ref": f"#/components/schemas/Events/properties/{name}"})


def sse_events(text):
    """Name and data of each event; comments are left out."""
    for block in text.strip().split("\n\n"):
        if not block.startswith(":"):
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            yield fields["event"], fields["data"]
