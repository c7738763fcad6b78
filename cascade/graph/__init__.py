"""Templates of expressions: what is remembered of a shape, and never anything of its data.

Plain Python on the cold path: a shape comes here once, its data never does.

    model.py       GraphTemplate, PlanTemplate and their parts
    kinds.py       the kinds of calls: their operands, names and shapes, in one table
    key_reader.py  a structure key read as items; the digest that is the same in every process
    key_writer.py  GraphTemplate -> key
    builder.py     key -> GraphTemplate
    solver.py      GraphTemplate -> PlanTemplate; `check`, which both pass before they are linked
    verifier.py    the parts of that check: one for graphs, one for plans
    labels.py      names and dict keys, made fit to be printed
    path.py        where a node is, as seen from the target: "$.args[0]"
    describe.py    what a node is and where, in a sentence
"""

__all__: list[str] = []
