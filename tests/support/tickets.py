"""A graph of another domain, in thirty lines: sorting support tickets."""

import dspy

from liftgraph_dagster import Context, End, FunctionNode, Graph, GraphState, SignatureNode


class Ticket(GraphState):
    """A support ticket on its way to a desk."""

    text: str
    topic: str = ""
    desk: str = ""


class FindTopic(dspy.Signature):
    """Name the topic of the ticket in one word."""

    text: str = dspy.InputField()
    topic: str = dspy.OutputField()


class Classify(SignatureNode[Ticket]):
    signature = FindTopic

    async def run(self, ctx: Context[Ticket]) -> "Route":
        await self.ask(ctx)
        return Route()


class Route(FunctionNode[Ticket]):
    writes = ("desk",)

    def call(self, topic: str) -> dict[str, str]:
        return {"desk": "accounts" if topic == "billing" else "support"}

    async def run(self, ctx: Context[Ticket]) -> End[None]:
        await self.ask(ctx)
        return End(None)


def start(text: str) -> Ticket:
    return Ticket(text=text)


def route_is_right(example, outcome, trace=None):
    """Return 1 when the ticket reached the desk that the label names, else 0."""
    return float(outcome == example.expected)


graph = Graph(
    "tickets",
    state=Ticket,
    nodes=[Classify, Route],
    start=start,
    outcome=lambda state: state.desk,
    metric=route_is_right,
)
