"""Graphs and plans: a shape as frozen structs, without any data.

Plain Python on the cold path: each shape is built once, and its data never comes here.

    model.py       GraphTemplate, PlanTemplate and their parts
    kinds.py       the kinds of calls: their operands, names and shapes, in one table
    key_reader.py  a structure key as items; its digest, the same in every process
    key_writer.py  GraphTemplate -> key
    builder.py     key -> GraphTemplate
    solver.py      GraphTemplate -> PlanTemplate; `check`, the condition for linking both
    verifier.py    the parts of that check: one for graphs, one for plans
    labels.py      names and dict keys as printable text
    path.py        the path of a node from the target: "$.args[0]"
    describe.py    what a node is and where, in a sentence
"""

__all__: list[str] = []
