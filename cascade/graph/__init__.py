"""Templates of expressions: what is remembered of a shape, and never anything of its data.

Plain Python on the cold path: a shape comes here once, its data never does.

    key.py        a structure key read as items; the digest that is the same in every process
    builder.py    key -> GraphTemplate
    unbuild.py    GraphTemplate -> key
    solver.py     GraphTemplate -> PlanTemplate; `check`, which both pass before they are linked
    check.py      the parts of that check: one for graphs, one for plans
    template.py   GraphTemplate, PlanTemplate and their parts
    codec.py      templates <-> bytes
    file.py       a file of templates, read; rewrite.py, written
    store.py      files that are looked into, what is found in them held against the key that asks; what is new
    path.py       where a node is, as seen from the target: "$.args[0]"
    explain.py    a template as text
    tree.py       a graph as a tree, as text
    visualize.py  a template as a picture, in Mermaid and DOT
    picture.py    what a picture is
    text.py       names and dict keys, made fit to be printed
"""
