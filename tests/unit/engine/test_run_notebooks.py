"""What runs, populations, engines and the tables of templates show themselves as in notebooks."""

from __future__ import annotations

from typing import Any

import cascade as cs

PLAIN, HTML = "text/plain", "text/html"


@cs.task(mode="inline")
def fail(text: str) -> None:
    raise ValueError(text)


@cs.task(mode="inline")
def count(n: int) -> Any:
    return count(n - 1) if n else "done"


def row(name: object, value: object) -> str:
    return f"<tr><th>{name}</th><td>{value}</td></tr>"


async def test_a_run_shows_a_table() -> None:
    async with cs.Engine() as engine:
        run = engine.start(count(1234), name="<b>one</b>", tags={"site": "7", "a&b": '"'})
        waiting = engine.start(cs.Channel[int](name="<i>inbox").recv())
        await run
        bundle, text = run._repr_mimebundle_(), waiting._repr_mimebundle_()[HTML]
        assert bundle[PLAIN] == repr(run)
        assert bundle[HTML] == (
            f"<table>{row('run', run.id)}{row('name', '&lt;b&gt;one&lt;/b&gt;')}"
            f"{row('tags', 'site=7, a&amp;b=&quot;')}{row('state', 'done')}{row('iterations', '1,234')}</table>"
        )
        assert row("state", "parked") + row("doing", "waiting in recv on &#x27;&lt;i&gt;inbox&#x27;") in text
        assert run._repr_mimebundle_(include=[PLAIN]) == {PLAIN: repr(run)}
        assert set(run._repr_mimebundle_(exclude=[PLAIN])) == {HTML}


async def test_a_failure_is_shown_and_stays_unretrieved() -> None:
    engine = cs.Engine()
    run = engine.start(fail("<script>no</script>"))
    await engine.join()
    assert row("exception", "ValueError: &lt;script&gt;no&lt;/script&gt;") in run._repr_mimebundle_()[HTML]
    reported: list[str] = []
    assert engine._driver.loop is not None
    engine._driver.loop.set_exception_handler(lambda loop, context: reported.append(context["message"]))
    number = run.id
    del run
    assert reported == [f"the exception of run {number} was never retrieved"]
    await engine.aclose()


async def test_a_population_shows_a_table() -> None:
    async with cs.Engine() as engine:
        population = engine.start_many([count(1), fail("<no>"), fail("<no>"), count(2)], name="many", tags={"x": "<y>"})
        await population
        bundle = population._repr_mimebundle_()
        first, second = population.failed
        failure = "ValueError: &lt;no&gt;"
        assert bundle[PLAIN] == repr(population)
        assert bundle[HTML] == (
            f"<table>{row('members', 4)}{row('name', 'many')}{row('tags', 'x=&lt;y&gt;')}{row('done', 2)}"
            f"{row('failed', 2)}{row('iterations', 3)}{row(f'exception of run {first.id}', failure)}"
            f"{row(f'exception of run {second.id}', failure)}</table>"
        )
        empty = engine.start_many([])
        assert empty._repr_mimebundle_()[HTML] == f"<table>{row('members', 0)}{row('iterations', 0)}</table>"


async def test_of_many_failures_a_few_are_shown() -> None:
    async with cs.Engine() as engine:
        population = engine.start_many(fail(str(n)) for n in range(100))
        await population
        assert population._repr_mimebundle_()[HTML].count("exception of run") == 3
        assert len(population.failed) == 100


async def test_an_engine_shows_its_runs() -> None:
    engine = cs.Engine(clock=cs.Clock.real(speed=2))
    assert repr(engine) == "<Engine: 0 runs, <Clock: real, 2 times as fast>>"
    runs = [engine.start(cs.wait(3600), name=f"<{n}>") for n in range(30)]
    bundle = engine._repr_mimebundle_()
    assert bundle[PLAIN] == repr(engine) == "<Engine: 30 runs, <Clock: real, 2 times as fast>>"
    assert bundle[HTML].startswith(
        f"<table>{row('clock', '&lt;Clock: real, 2 times as fast&gt;')}{row('runs', 30)}<tr><th>run {runs[0].id}</th>"
    )
    assert bundle[HTML].count("&lt;Run ") == 20
    await engine.aclose()
    assert repr(engine) == "<Engine: closed, <Clock: real, 2 times as fast>>"
    assert row("runs", "closed") in engine._repr_mimebundle_()[HTML]


def test_a_table_of_templates_shows_its_counters() -> None:
    templates = cs.Templates()
    cs.run(count(1000), engine=cs.Engine(templates=templates))
    bundle = templates._repr_mimebundle_()
    assert bundle[PLAIN] == repr(templates) == "<Templates: 1 in memory, 1,000 hits, 1 misses>"
    assert row("templates", 1) + row("hits", "1,000") + row("misses", 1) in bundle[HTML]


def test_a_dry_run_shows_its_report() -> None:
    report = cs.dry_run(count(1))
    assert report._repr_mimebundle_() == {PLAIN: str(report)}
    assert report._repr_mimebundle_(exclude=[PLAIN]) == {}
